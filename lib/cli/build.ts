import type { Command } from 'commander'
import { buildEngine } from '../api/engines.js'
import { checkOutput } from '../base/atomic-write.js'
import { capabilityName } from '../engines/key.js'
import { BUILD_OPTIONS, type BuildOptions } from '../options/build.js'
import { ENGINE_OPTIONS, type EngineOptions } from '../options/engine.js'
import { readLabels } from '../weights/label-file.js'
import { parseInteger, parseList, parsePath, parseSize } from './arguments.js'
import { addFlags, flagOf, given } from './flags.js'
import { selfTestOf } from './inspect.js'
import { print, printNotes } from './output.js'
import { ProgressBar } from './progress.js'
import { addWeightsOptions, labelsFlag, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

const NAMES = ['maxBatchSize', 'libraryPath', 'backendLibrary'] as const
const GIVEN = [...NAMES, 'inputSize', 'device', 'targets'] as const
const ENGINE_NAMES = Object.keys(ENGINE_OPTIONS) as (keyof EngineOptions)[]

interface BuildFlags extends WeightsFlags, Pick<BuildOptions, (typeof GIVEN)[number]>, EngineOptions {
  readonly labels?: string
  readonly out?: string
}

export function addBuildCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('build')
    .description('build the TensorRT engine of a model: seconds to minutes, once for each kind of GPU')
    .argument('<model>', 'person, a pulled name such as d0, or a weights file')
    .option('--out <file>', 'the engine file to write (default: one in the cache folder)', parsePath)
    .addOption(labelsFlag())
    .addOption(flagOf(BUILD_OPTIONS, 'inputSize', { placeholder: '<HxW>', parse: parseSize }))
    .addOption(flagOf(BUILD_OPTIONS, 'targets', { placeholder: '<list>', parse: parseList }))
    .addOption(flagOf(BUILD_OPTIONS, 'device', { placeholder: '<n>', parse: parseInteger }))
  addFlags(command, BUILD_OPTIONS, NAMES)
  addFlags(command, ENGINE_OPTIONS, ENGINE_NAMES)
  addWeightsOptions(command).action((model: string, flags: BuildFlags) => build(model, flags, signal))
}

async function build(model: string, flags: BuildFlags, signal: AbortSignal): Promise<void> {
  if (flags.labels !== undefined && flags.out !== undefined) await checkOutput(flags.out, flags.labels)
  const bar = new ProgressBar('{percentage} % {phase}')
  const engine = await buildEngine(model, {
    ...weightsOptionsOf(flags),
    ...given(flags, GIVEN),
    ...(flags.labels !== undefined && { labels: await readLabels(flags.labels) }),
    ...(flags.out !== undefined && { output: flags.out }),
    engine: given(flags, ENGINE_NAMES),
    onProgress: ({ fraction, phase }) => bar.update(fraction, 1, phase),
    signal,
  }).finally(() => bar.end())
  printNotes(engine.notes)
  const { target, settings, inputSize, spec } = engine.header
  const capabilities = target.computeCapabilities.map(capabilityName).join(' and ')
  print(
    `${engine.path}: EfficientDet-${spec.architecture.variant.name}, ${inputSize.height} high × ${inputSize.width} wide, ` +
      `batch up to ${settings.maxBatchSize}, ${settings.precision}, ${target.family} ${target.libraryVersion}, ` +
      `${target.gpu === null ? 'compute capability' : `${target.gpu},`} ${capabilities}, ` +
      `${(engine.bytes / 1e6).toFixed(1)} MB${engine.cached ? ' (built before)' : ''}; self-test: ${selfTestOf(engine.header)}.`,
  )
}
