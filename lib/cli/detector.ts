import { type Command, Option } from 'commander'
import { EfficientDet } from '../api/detector.js'
import { BACKEND_NAMES, type BackendName } from '../backends/backend.js'
import type { Size } from '../models/levels.js'
import type { LoadOptions } from '../options/load.js'
import { readLabels } from '../weights/label-file.js'
import { parseInteger, parseIntegers, parseSize } from './arguments.js'
import { printError, printNotes } from './output.js'
import { ProgressBar } from './progress.js'
import { addWeightsOptions, defined, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

/** The options that tell which model runs, and on what. */
export interface DetectorFlags extends WeightsFlags {
  readonly model: string
  readonly backend: BackendName | 'auto'
  readonly labels?: string
  readonly inputSize?: Size
  readonly threads?: number
  readonly device?: number[]
  readonly libraryPath?: string
  readonly backendLibrary?: string
  readonly selfTest: boolean
}

export function addDetectorOptions(command: Command): Command {
  command
    .option('--model <name>', 'person, a pulled name such as d0, a weights file or an engine file', 'person')
    .addOption(
      new Option('--backend <name>', 'what runs the network')
        .choices(['auto', ...BACKEND_NAMES])
        .default('auto'),
    )
    .option('--labels <file>', 'class names: one a line, or JSON, YAML, pbtxt')
    .option(
      '--input-size <HxW>',
      "height and width of the network's input (default: the model's own)",
      parseSize,
    )
    .option('--threads <n>', 'threads of computation on the CPU', parseInteger)
    .option(
      '--device <list>',
      'numbers of the GPUs that share the work, such as 0,1 (default: 0)',
      parseIntegers,
    )
    .option('--no-self-test', "load an engine without comparing its answers with the CPU's")
    .option('--library-path <folder>', "the folder of TensorRT's libraries")
    .option('--backend-library <file>', "the GPU backend's library (default: beside the addon)")
  return addWeightsOptions(command)
}

/** Loads the model, which may take a GPU minutes the first time: a bar tells how far it is. */
export async function loadDetector(flags: DetectorFlags, more: LoadOptions): Promise<EfficientDet> {
  const bar = new ProgressBar('{percentage} % {phase}')
  try {
    return await EfficientDet.load(flags.model, {
      backend: flags.backend,
      ...weightsOptionsOf(flags),
      ...defined({
        labels: flags.labels === undefined ? undefined : await readLabels(flags.labels),
        inputSize: flags.inputSize,
        threads: flags.threads,
        device: flags.device,
        libraryPath: flags.libraryPath,
        backendLibrary: flags.backendLibrary,
      }),
      ...more,
      engine: { ...more.engine, selfTest: flags.selfTest },
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
