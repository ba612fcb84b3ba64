import type { Command } from 'commander'
import { EfficientDet } from '../api/detector.js'
import { ENGINE_OPTIONS } from '../options/engine.js'
import { LOAD_OPTIONS, type LoadOptions } from '../options/load.js'
import { readLabels } from '../weights/label-file.js'
import { parseIntegers, parseSize } from './arguments.js'
import { addFlags, flagOf, given } from './flags.js'
import { printError, printNotes } from './output.js'
import { ProgressBar } from './progress.js'
import { addWeightsOptions, labelsFlag, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

const NAMES = ['backend', 'threads', 'libraryPath', 'backendLibrary'] as const
const GIVEN = [...NAMES, 'inputSize', 'device'] as const

/** The options that tell which model runs, and on what. */
export interface DetectorFlags extends WeightsFlags, Pick<LoadOptions, (typeof GIVEN)[number]> {
  readonly model: string
  readonly labels?: string
  readonly selfTest: boolean
  readonly allowHostCode: boolean
}

export function addDetectorOptions(command: Command): Command {
  command
    .option('--model <name>', 'person, a pulled name such as d0, a weights file or an engine file', 'person')
    .addOption(labelsFlag())
    .addOption(flagOf(LOAD_OPTIONS, 'inputSize', { placeholder: '<HxW>', parse: parseSize }))
    .addOption(flagOf(LOAD_OPTIONS, 'device', { placeholder: '<list>', parse: parseIntegers }))
    .addOption(flagOf(ENGINE_OPTIONS, 'selfTest'))
    .addOption(flagOf(ENGINE_OPTIONS, 'allowHostCode'))
  addFlags(command, LOAD_OPTIONS, NAMES)
  return addWeightsOptions(command)
}

export async function loadOptionsOf(flags: DetectorFlags): Promise<LoadOptions> {
  return {
    ...weightsOptionsOf(flags),
    ...given(flags, GIVEN),
    ...(flags.labels !== undefined && { labels: await readLabels(flags.labels) }),
    engine: { selfTest: flags.selfTest, allowHostCode: flags.allowHostCode },
  }
}

/** Loads the model, which may take a GPU minutes the first time: a bar tells how far it is. */
export async function loadDetector(flags: DetectorFlags, more: LoadOptions): Promise<EfficientDet> {
  const bar = new ProgressBar('{percentage} % {phase}')
  try {
    const options = await loadOptionsOf(flags)
    return await EfficientDet.load(flags.model, {
      ...options,
      ...more,
      engine: { ...more.engine, ...options.engine },
      onProgress: ({ stage, fraction }) => bar.update(fraction, 1, stage),
    })
  } finally {
    bar.end()
  }
}

/** What runs, and on what. */
export function titleOf({ model, backend }: EfficientDet): string {
  const { height, width } = model.inputSize
  return `EfficientDet-${model.variant} on ${backend.description}, input ${height} high × ${width} wide`
}

/** What was assumed about the weights, and why nothing faster runs them. */
export function printCircumstances({ model, backend }: EfficientDet): void {
  printNotes(model.notes)
  for (const { name, reason } of backend.unavailable) printError(`${name} does not run: ${reason}`)
}
