import { join, normalize } from 'node:path'
import type { Command } from 'commander'
import type { EfficientDet } from '../api/detector.js'
import { writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { listing } from '../base/listing.js'
import type { CocoDetection, GroundTruth } from '../evaluate/coco.js'
import { evaluate } from '../evaluate/evaluate.js'
import { readDetections, readGroundTruth } from '../evaluate/files.js'
import { EVALUATE_OPTIONS } from '../options/evaluate.js'
import { parsePath } from './arguments.js'
import {
  addDetectorOptions,
  type DetectorFlags,
  loadDetector,
  printCircumstances,
  titleOf,
} from './detector.js'
import { printComparison, printEvaluation } from './evaluation-tables.js'
import { printError, printJson } from './output.js'
import { ProgressBar } from './progress.js'

interface EvalFlags extends DetectorFlags {
  readonly annotations: string
  readonly detections?: string
  readonly images?: string
  readonly compare?: string
  readonly out?: string
  readonly json: boolean
}

export function addEvalCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('eval')
    .description("judge detections by COCO's numbers: a model's in a folder of pictures, or stored ones")
    .requiredOption('--annotations <file>', 'ground truth in JSON, as COCO has it', parsePath)
    .option('--detections <file>', "COCO's results in JSON, in the place of a model", parsePath)
    .option('--images <folder>', 'where the pictures of the annotations are', parsePath)
    .option('--compare <file>', 'results of another model or precision, to be put beside them', parsePath)
    .option('--out <file>', "write the model's detections there, as COCO's results", parsePath)
    .option('--json', 'as JSON', false)
  addDetectorOptions(command).action((flags: EvalFlags) => evaluateFiles(flags, signal))
}

async function evaluateFiles(flags: EvalFlags, signal: AbortSignal): Promise<void> {
  const { annotations, detections, images, compare } = flags
  if ((detections === undefined) === (images === undefined)) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      'Give either --detections, a file of stored ones, or --images, the folder in which a model is to find some.',
    )
  }
  const truth = await readGroundTruth(annotations)
  const found =
    detections === undefined
      ? await detectAll(truth, images!, flags, signal)
      : await readDetections(detections)
  signal.throwIfAborted()
  const evaluation = evaluate(truth, found)
  const other = compare === undefined ? null : evaluate(truth, await readDetections(compare))
  if (flags.json) printJson(other === null ? evaluation : { evaluation, other }, 2)
  else if (other === null) printEvaluation(evaluation)
  else printComparison(evaluation, other)
}

/** What evaluation needs of a picture beside its id. */
interface NamedImage {
  readonly id: number | string
  readonly file_name?: unknown
}

/** Runs a model on all pictures of the ground truth, as its trainer evaluates: no threshold, the 100 best. */
async function detectAll(
  truth: GroundTruth,
  folder: string,
  flags: EvalFlags,
  signal: AbortSignal,
): Promise<CocoDetection[]> {
  const items = truth.images.map((image) => ({ source: pathOf(image, folder), context: image.id }))
  await using detector = await loadDetector(flags, { signal })
  if (!flags.json) {
    printError(titleOf(detector))
    printCircumstances(detector)
  }
  const categoryIds = categoriesOf(detector, truth)
  const [, , most] = EVALUATE_OPTIONS.maxDetections.default.value
  const bar = new ProgressBar('{value}/{total} pictures, {eta_formatted} left')
  const found: CocoDetection[] = []
  let done = 0
  try {
    const options = { scoreThreshold: 0, maxDetections: most, onError: 'yield', signal } as const
    for await (const { context, ...outcome } of detector.stream(items, options)) {
      bar.update(++done, items.length)
      if ('error' in outcome) {
        process.exitCode = 1
        const { code, message } = outcome.error
        bar.above(() => printError(`error: ${message} It counts as a picture without detections. [${code}]`))
        continue
      }
      for (const { classId, score, box } of outcome.detections) {
        const category = categoryIds[classId]
        if (category === undefined) continue
        const [x1, y1, x2, y2] = box
        found.push({ image_id: context, category_id: category, bbox: [x1, y1, x2 - x1, y2 - y1], score })
      }
    }
  } finally {
    bar.end()
  }
  if (flags.out !== undefined) {
    const lines = found.map((detection) => JSON.stringify(detection))
    await writeFileAtomically(flags.out, [Buffer.from(`[${lines.join(',\n')}]\n`)], signal)
  }
  return found
}

function pathOf({ id, file_name: name }: NamedImage, folder: string): string {
  const path = typeof name === 'string' ? normalize(name) : ''
  if (
    path !== '' &&
    path !== '.' &&
    !path.startsWith('..') &&
    !path.startsWith('/') &&
    !path.includes('\0')
  ) {
    return join(folder, path)
  }
  throw new EfficientDetError(
    'ERR_ANNOTATIONS',
    `The image ${id} has no file_name within the folder of images; expected one, as COCO has it.`,
  )
}

/** The category of each class of the model: that of the same name, or the one in its place. */
function categoriesOf({ model }: EfficientDet, { categories }: GroundTruth): readonly (number | undefined)[] {
  const { labels, classes } = model
  const byName = new Map(categories.map(({ id, name }) => [name, id]))
  if (labels !== null && categories.every(({ name }) => name !== undefined && labels.includes(name))) {
    return labels.map((label) => byName.get(label))
  }
  if (categories.length === classes) return categories.map(({ id }) => id).sort((a, b) => a - b)
  throw new EfficientDetError(
    'ERR_ANNOTATIONS',
    `The annotations have ${categories.length} categories (${listing(categories.map(({ name, id }) => name ?? `${id}`))}), ` +
      `and the model has ${classes} classes (${labels === null ? 'without names' : listing(labels)}). ` +
      'Name its classes by --labels, as the categories are named.',
  )
}
