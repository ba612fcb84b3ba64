import { type Command, Option } from 'commander'
import { buildEngine } from '../api/engines.js'
import { capabilityName } from '../engines/key.js'
import { ENGINE_PRECISIONS, type EnginePrecision, FAMILIES, type Family } from '../engines/settings.js'
import type { Size } from '../models/levels.js'
import { readLabels } from '../weights/label-file.js'
import { parseInteger, parseList, parseSize } from './arguments.js'
import { selfTestOf } from './inspect.js'
import { print, printNotes } from './output.js'
import { ProgressBar } from './progress.js'
import { addWeightsOptions, defined, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

interface BuildFlags extends WeightsFlags {
  readonly family?: Family
  readonly libraryPath?: string
  readonly backendLibrary?: string
  readonly device?: number
  readonly precision: EnginePrecision
  readonly maxBatchSize: number
  readonly inputSize?: Size
  readonly target?: string[]
  readonly workspace?: number
  readonly optimisationLevel?: number
  readonly versionCompatible: boolean
  readonly hardwareCompatible: boolean
  readonly refuseMismatch: boolean
  readonly memoryCheck: boolean
  readonly selfTest: boolean
  readonly labels?: string
  readonly out?: string
}

export function addBuildCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('build')
    .description('build the TensorRT engine of a model: seconds to minutes, once for each kind of GPU')
    .argument('<model>', 'person, a pulled name such as d0, or a weights file')
    .addOption(
      new Option('--family <name>', 'which TensorRT (default: the first that works here)').choices(FAMILIES),
    )
    .addOption(
      new Option('--precision <type>', 'of weights and activations')
        .choices(ENGINE_PRECISIONS)
        .default('fp16'),
    )
    .option('--max-batch-size <n>', 'largest batch', parseInteger, 8)
    .option('--input-size <HxW>', "height and width of the input (default: the model's own)", parseSize)
    .option('--target <list>', 'compute capabilities to build for, such as sm89,sm120 (RTX)', parseList)
    .option('--device <n>', 'number of the GPU (default: 0)', parseInteger)
    .option('--workspace <MB>', 'most scratch memory that layers may use', parseInteger)
    .option('--optimisation-level <level>', '0 to 5: how long to look for fast kernels', parseInteger)
    .option('--version-compatible', 'runs with later versions of TensorRT too, of the same major one', false)
    .option('--hardware-compatible', 'runs on other GPUs too, from Ampere on', false)
    .option('--refuse-mismatch', 'fail over a damaged file in the cache instead of building it again', false)
    .option('--no-memory-check', 'try although memory seems too small')
    .option(
      '--no-self-test',
      "leave out the CPU's answers, which the engine is compared with when it is loaded",
    )
    .option('--labels <file>', 'class names: one a line, or JSON, YAML, pbtxt')
    .option('--library-path <folder>', "the folder of TensorRT's libraries")
    .option('--backend-library <file>', "the backend's library (default: beside the addon)")
    .option('--out <file>', 'the engine file to write (default: one in the cache folder)')
  addWeightsOptions(command).action((model: string, flags: BuildFlags) => build(model, flags, signal))
}

async function build(model: string, flags: BuildFlags, signal: AbortSignal): Promise<void> {
  const { precision, maxBatchSize, versionCompatible, hardwareCompatible, memoryCheck, selfTest } = flags
  const labels = flags.labels === undefined ? undefined : await readLabels(flags.labels)
  const bar = new ProgressBar('{percentage} % {phase}')
  const engine = await buildEngine(model, {
    ...weightsOptionsOf(flags),
    ...defined({
      labels,
      libraryPath: flags.libraryPath,
      backendLibrary: flags.backendLibrary,
      device: flags.device,
      inputSize: flags.inputSize,
      targets: flags.target,
      output: flags.out,
    }),
    maxBatchSize,
    engine: {
      ...defined({
        family: flags.family,
        workspace: flags.workspace,
        optimisationLevel: flags.optimisationLevel,
      }),
      precision,
      versionCompatible,
      hardwareCompatible,
      onMismatch: flags.refuseMismatch ? 'refuse' : 'rebuild',
      checkMemory: memoryCheck,
      selfTest,
    },
    onProgress: ({ fraction, phase }) => bar.update(fraction, 1, phase),
    signal,
  }).finally(() => bar.end())
  printNotes(engine.notes)
  const { target, inputSize, spec } = engine.header
  const capabilities = target.computeCapabilities.map(capabilityName).join(' and ')
  print(
    `${engine.path}: EfficientDet-${spec.architecture.variant.name}, ${inputSize.height} high × ${inputSize.width} wide, ` +
      `batch up to ${maxBatchSize}, ${precision}, ${target.family} ${target.libraryVersion}, ` +
      `${target.gpu === null ? 'compute capability' : `${target.gpu},`} ${capabilities}, ` +
      `${(engine.bytes / 1e6).toFixed(1)} MB${engine.cached ? ' (built before)' : ''}; self-test: ${selfTestOf(engine.header)}.`,
  )
}
