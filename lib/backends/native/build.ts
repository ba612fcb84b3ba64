import type { Addon, NativeProbe } from '../../binding/addon.js'
import { type CachedEngine, cachedEngine } from '../../engines/cache.js'
import { freeMemory } from '../../engines/free-memory.js'
import type { EngineHeader, EnginePrecision, EngineTarget } from '../../engines/header.js'
import {
  ADVICE,
  checkMemory,
  estimateMemory,
  largestLayerBytes,
  SPARING_LEVEL,
} from '../../engines/memory.js'
import type { BuildProgress } from '../../engines/rising.js'
import { EfficientDetError, type ErrorCode } from '../../errors.js'
import type { FloatType } from '../../graph/builder.js'
import type { Size } from '../../models/levels.js'
import type { EngineChoices } from '../../options/engine.js'
import type { HashedGraph } from '../../tasks/graph.js'
import { runTask } from '../../tasks/run.js'
import { onAbort } from '../../threads/abort.js'
import { VERSION } from '../../version.js'
import type { WeightsOptions } from '../../weights/decide.js'
import type { LoadStage } from '../backend.js'
import type { NativeLibrary } from './library.js'
import { buildError } from './native-error.js'

export interface NativeGraphRequest {
  /** The weights file. */
  readonly path: string
  readonly weights: WeightsOptions
  /** Network input; null for the model's native one. */
  readonly size: Size | null
  readonly maxBatch: number
  readonly engine: EngineChoices
  readonly signal: AbortSignal | undefined
  readonly onStage: (stage: LoadStage, fraction: number) => void
}

export interface NativeBuildRequest {
  readonly maxBatch: number
  /** Compute capabilities, as 10·major + minor; empty for the device's own. */
  readonly targets: readonly number[]
  readonly engine: EngineChoices
  readonly signal: AbortSignal | undefined
  readonly onProgress: BuildProgress
}

export interface NativeEngineBuild extends CachedEngine {
  readonly header: EngineHeader
  /** Of this build alone: memory that is tight, a folder that cannot be written. */
  readonly notes: readonly string[]
}

const FLOAT_TYPE: Readonly<Record<EnginePrecision, FloatType>> = {
  fp32: 'float32',
  tf32: 'float32',
  fp16: 'float16',
  bf16: 'bfloat16',
}

/** Reads weights and writes the graph that engines are built from, whatever GPU they are for. */
export async function nativeGraph(request: NativeGraphRequest): Promise<HashedGraph> {
  const { path, weights, size, maxBatch, engine, signal, onStage } = request
  onStage('weights', 0)
  const batch = maxBatch > 1 ? 'dynamic' : 1
  const settings = { size, batch, precision: FLOAT_TYPE[engine.precision], input: 'float32' } as const
  const graph = await runTask('graph', [path, weights, settings], signal)
  onStage('graph', 1)
  return graph
}

/** Brings the engine of a graph: from the cache, or built. */
export async function buildNative(
  native: NativeLibrary,
  graph: HashedGraph,
  { maxBatch, targets, engine, signal, onProgress }: NativeBuildRequest,
): Promise<NativeEngineBuild> {
  const { precision, workspaceBytes, optimisationLevel, versionCompatible, hardwareCompatible } = engine
  const target = targetOf(native, engine.device, targets)
  const header: EngineHeader = {
    packageVersion: VERSION,
    target,
    settings: {
      precision,
      maxBatch,
      workspaceBytes,
      optimisationLevel,
      versionCompatible,
      hardwareCompatible,
    },
    graph: graph.sha256,
    spec: graph.spec,
    size: graph.size,
    notes: graph.notes,
  }
  const notes: string[] = []
  const built = await cachedEngine({
    header,
    unfit: engine.unfit,
    signal,
    onProgress,
    build: async (timingCache, onBuilding) => {
      if (engine.checkMemory) {
        const warning = await checkBuildMemory(native, header, engine.device)
        if (warning !== null) notes.push(warning)
      }
      return build(native, graph, { header, device: engine.device, timingCache, signal }, onBuilding)
    },
  })
  if (built.cached) onProgress({ fraction: 1, phase: 'built before' })
  if (built.notKept !== null) {
    notes.push(`The engine is not kept, and the next start builds it again: ${built.notKept.message}`)
  }
  return { ...built, header, notes }
}

/** What engines are built for and run on here. */
export const PLATFORM = `${process.platform}-${process.arch}`

function targetOf(
  { addon, library, probe }: NativeLibrary,
  number: number,
  targets: readonly number[],
): EngineTarget {
  const { libraryVersion, cudaVersion } = probe
  const common = { backend: addon.nameOf(library), libraryVersion, cudaVersion, platform: PLATFORM }
  if (targets.length > 0) return { ...common, gpu: null, computeCapabilities: targets }
  if (probe.devices.length === 0) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      'There is no GPU here to build an engine for. Name compute capabilities (targets: ["sm89"], --target sm89).',
    )
  }
  const device = deviceOf(probe, number)
  return { ...common, gpu: device.name, computeCapabilities: [capabilityOf(device)] }
}

/** The GPU of a number. @throws EfficientDetError ERR_INVALID_OPTION for one that is not there */
export function deviceOf({ devices }: NativeProbe, number: number): NativeProbe['devices'][number] {
  const device = devices[number]
  if (device !== undefined) return device
  const names = devices.map(({ name }) => name).join(', ')
  throw new EfficientDetError(
    'ERR_INVALID_OPTION',
    `device is ${number}; there are ${devices.length} here, counted from 0: ${names}.`,
  )
}

/** As 10·major + minor. */
export function capabilityOf({ computeCapability }: NativeProbe['devices'][number]): number {
  const [major, minor] = computeCapability.split('.').map(Number)
  return 10 * major + minor
}

/** @returns a warning, or null. @throws EfficientDetError ERR_OUT_OF_MEMORY */
async function checkBuildMemory(
  { addon, library, probe }: NativeLibrary,
  { spec, size, settings }: EngineHeader,
  number: number,
): Promise<string | null> {
  // TensorRT-RTX compiles on the CPU, also where a GPU is.
  const device = addon.nameOf(library) === 'tensorrt-rtx' ? undefined : probe.devices[number]
  const isOnDevice = device !== undefined
  const estimate = (optimisationLevel: number) =>
    estimateMemory(spec.architecture, size, { ...settings, optimisationLevel }, isOnDevice)
  const { optimisationLevel } = settings
  const isSparing = optimisationLevel >= 0 && optimisationLevel <= SPARING_LEVEL
  return checkMemory({
    need: estimate(optimisationLevel),
    free: await freeMemory(),
    device: isOnDevice ? { name: device.name, free: device.freeBytes, integrated: device.integrated } : null,
    sparing: isSparing ? null : estimate(SPARING_LEVEL),
  })
}

interface BuildContext {
  readonly header: EngineHeader
  readonly device: number
  readonly timingCache: Uint8Array | null
  readonly signal: AbortSignal | undefined
}

async function build(
  { addon, library }: { readonly addon: Addon; readonly library: NativeLibrary['library'] },
  { onnx }: HashedGraph,
  { header, device, timingCache, signal }: BuildContext,
  onProgress: BuildProgress,
): Promise<{ plan: Uint8Array; timingCache: Uint8Array }> {
  signal?.throwIfAborted()
  const { settings, target } = header
  const cancel = new Int32Array(new SharedArrayBuffer(4))
  const stopListening = onAbort(signal, () => Atomics.store(cancel, 0, 1))
  const { maxBatch, workspaceBytes, optimisationLevel, versionCompatible, hardwareCompatible } = settings
  const options = {
    maxBatch,
    device,
    targets: Uint32Array.from(target.gpu === null ? target.computeCapabilities : []),
    workspaceBytes,
    optimisationLevel,
    tf32: settings.precision === 'tf32',
    versionCompatible,
    hardwareCompatible,
    timingCache,
  }
  try {
    const built = await addon.build(library, onnx, options, cancel, (fraction, phase) =>
      onProgress({ fraction, phase }),
    )
    onProgress({ fraction: 1, phase: 'built' })
    return built
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw buildError(error, (code, message) => adviceOn(code, message, header))
  } finally {
    stopListening()
  }
}

function adviceOn(code: ErrorCode, message: string, { spec, size, settings }: EngineHeader): string | null {
  const { workspaceBytes } = settings
  const isMemory = code === 'ERR_OUT_OF_MEMORY'
  if (!isMemory && !/workspace/i.test(message)) return null
  // TensorRT calls it out of memory, too, when the workspace is all used.
  if (workspaceBytes === 0) return isMemory ? ADVICE : null
  const largest = largestLayerBytes(spec.architecture, size, settings)
  return `The workspace was limited to ${workspaceBytes / 1e6} MB, and the largest layer moves ${Math.ceil(largest / 1e6)} MB. Allow more, or leave it to TensorRT.`
}
