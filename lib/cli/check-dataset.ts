import { readdir } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { EfficientDetError } from '../base/errors.js'
import { datasetFaults } from '../evaluate/dataset-faults.js'
import { readJson } from '../evaluate/files.js'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '../models/anchors.js'
import type { Size } from '../models/levels.js'
import { nativeInput, VARIANT_NAMES, type VariantName, variant } from '../models/variants.js'
import { parsePath, parsePaths, parseSize } from './arguments.js'
import { print, printJson } from './output.js'

interface CheckFlags {
  readonly images?: string
  readonly other?: readonly string[]
  readonly variant: VariantName
  readonly inputSize?: Size
  readonly json: boolean
}

export function addCheckDatasetCommand(program: Command): void {
  program
    .command('check-dataset')
    .description('look in annotations for the faults that make trainings fail')
    .argument('<file>', 'annotations in JSON, as COCO has them', parsePath)
    .option('--images <folder>', 'where the pictures are', parsePath)
    .option('--other <file>', 'annotations of another split, as often as needed', parsePaths)
    .addOption(
      new Option('--variant <name>', 'whose anchors objects must fit').choices(VARIANT_NAMES).default('d0'),
    )
    .option('--input-size <HxW>', "the network's input (default: the variant's own)", parseSize)
    .option('--json', 'as JSON', false)
    .action(checkDataset)
}

async function checkDataset(file: string, flags: CheckFlags): Promise<void> {
  const { images, other = [], variant: name, inputSize, json } = flags
  const network = variant(name)
  const { anchorScale, maxLevel } = network
  const anchors = { anchorScale, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS }
  const coverage = { input: inputSize ?? nativeInput(network), maxLevel, anchors }
  const annotations = await readJson(file, 'ERR_ANNOTATIONS')
  const others: unknown[] = []
  for (const path of other) others.push(await readJson(path, 'ERR_ANNOTATIONS'))
  const exists = images === undefined ? null : await fileNamesIn(images)
  const faults = datasetFaults(annotations, coverage, { others, exists })
  if (faults.length > 0) process.exitCode = 1
  if (json) printJson(faults, 2)
  else if (faults.length === 0) print(`${file}: nothing wrong was found.`)
  else print(...faults.map(({ kind, count, message }) => `${kind} (${count}): ${message}`))
}

/** Tells whether a file is in a folder or one of its folders, by its name with slashes between. */
async function fileNamesIn(folder: string): Promise<(name: string) => boolean> {
  const found = await readdir(folder, { recursive: true }).catch((cause: Error) => {
    throw new EfficientDetError('ERR_IMAGE', `${folder}: the folder cannot be read (${cause.message}).`, {
      cause,
    })
  })
  const names = new Set(found.map(withSlashes))
  return (name) => names.has(withSlashes(name))
}

function withSlashes(name: string): string {
  return name.replaceAll('\\', '/').replace(/^\.\//, '')
}
