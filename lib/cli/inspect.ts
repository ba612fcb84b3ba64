import type { Command } from 'commander'
import { type EngineInspection, inspectEngine } from '../api/engines.js'
import { type EngineHeader, headerToJson } from '../engines/header.js'
import { capabilityName } from '../engines/key.js'
import type { Reference } from '../engines/self-test/run.js'
import { INSPECT_ENGINE_OPTIONS, type InspectEngineOptions } from '../options/inspect-engine.js'
import { parseInteger, parsePath } from './arguments.js'
import { flagOf, given } from './flags.js'
import { print, printError, printFacts, printJson } from './output.js'
import { formatTable } from './table.js'

const GIVEN = ['device', 'libraryPath', 'backendLibrary'] as const

interface InspectFlags extends Pick<InspectEngineOptions, (typeof GIVEN)[number]> {
  readonly json: boolean
}

export function addInspectCommand(program: Command, signal: AbortSignal): void {
  program
    .command('inspect')
    .description('tell about an engine file; where its GPU is, also the precision of each layer')
    .argument('<file>', 'what "efficientdet build" wrote', parsePath)
    .addOption(flagOf(INSPECT_ENGINE_OPTIONS, 'device', { placeholder: '<n>', parse: parseInteger }))
    .addOption(flagOf(INSPECT_ENGINE_OPTIONS, 'libraryPath'))
    .addOption(flagOf(INSPECT_ENGINE_OPTIONS, 'backendLibrary'))
    .option('--json', 'as JSON', false)
    .action(async (file: string, flags: InspectFlags) => {
      const inspection = await inspectEngine(file, { ...given(flags, GIVEN), signal })
      if (flags.json) printAsJson(file, inspection)
      else printEngine(file, inspection)
    })
}

function printAsJson(file: string, { header, bytes, layers, reason }: EngineInspection): void {
  // Whether there are reference detections is enough: they are hundreds of numbers.
  const { referenceDetections, ...facts } = JSON.parse(headerToJson(header))
  const selfTest: Reference = referenceDetections === null ? 'itself' : 'cpu'
  printJson({ file, header: facts, selfTest, planBytes: bytes, layers, reason }, 2)
}

function printEngine(file: string, { header, bytes, layers, reason }: EngineInspection): void {
  const { target, settings, spec, inputSize, graph, notes, packageVersion } = header
  const { variant, classes } = spec.architecture
  const capabilities = target.computeCapabilities.map(capabilityName).join(' and ')
  print(file)
  printFacts({
    model: `EfficientDet-${variant.name}, ${classes} class${classes === 1 ? '' : 'es'}`,
    input: `${inputSize.height} high × ${inputSize.width} wide, batch up to ${settings.maxBatchSize}`,
    precision: settings.precision,
    'built by': `${target.family} ${target.libraryVersion}, CUDA ${target.cudaVersion}, efficientdet-trt ${packageVersion}`,
    'built for': `${target.gpu ?? 'compute capability'} ${capabilities}, ${target.platform}`,
    compatible: compatibility(header.settings),
    workspace: settings.workspaceBytes === 0 ? "TensorRT's choice" : `${settings.workspaceBytes / 1e6} MB`,
    'optimisation level':
      settings.optimisationLevel < 0 ? "TensorRT's choice" : String(settings.optimisationLevel),
    'self-test': selfTestOf(header),
    graph: `SHA-256 ${graph}`,
    plan: `${(bytes / 1e6).toFixed(1)} MB, its checksum is right`,
    ...(layers !== null && { layers: precisions(layers) }),
  })
  for (const note of notes) print(`  note: ${note}`)
  for (const line of formatTable((layers ?? []).map(({ name, precision }) => [precision ?? '?', name]))) {
    print(`  ${line}`)
  }
  if (reason !== null) printError(`No layers are shown: ${reason}`)
}

/** What an engine is compared with when it is loaded. */
export function selfTestOf({ referenceDetections }: EngineHeader): string {
  return referenceDetections === null
    ? 'compared with itself alone, for it has no reference detections'
    : "compared with the CPU backend's detections, which it has"
}

function compatibility({ versionCompatible, hardwareCompatible }: EngineInspection['header']['settings']) {
  const version = versionCompatible ? 'later versions of its major one' : 'this version of TensorRT only'
  return hardwareCompatible ? `${version}; other GPUs from Ampere on` : version
}

/** `61 fp16, 3 fp32`. */
function precisions(layers: NonNullable<EngineInspection['layers']>): string {
  const counts = new Map<string, number>()
  for (const { precision } of layers) {
    const name = precision ?? 'of unknown precision'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ')
}
