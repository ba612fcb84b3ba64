import { stat } from 'node:fs/promises'
import { availableProcessors } from '../../base/available-processors.js'
import { EfficientDetError, type ErrorCode } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { type Built, type CachedEngine, cachedEngine } from '../../engines/cache.js'
import { freeMemory } from '../../engines/free-memory.js'
import type { EngineRecipe, EngineTarget } from '../../engines/header.js'
import {
  ADVICE,
  checkCpuMemory,
  checkMemory,
  estimateCpuMemory,
  estimateMemory,
  largestLayerBytes,
  SPARING_LEVEL,
} from '../../engines/memory.js'
import type { BuildProgress } from '../../engines/progress.js'
import { testImages } from '../../engines/self-test/images.js'
import type { EngineChoices, EnginePrecision } from '../../engines/settings.js'
import type { GraphPrecision } from '../../graph/onnx.js'
import type { Frame } from '../../image/frame.js'
import type { Size } from '../../models/levels.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import type { HashedGraph } from '../../tasks/graph.js'
import { runTask } from '../../tasks/run.js'
import { onAbort } from '../../threads/abort.js'
import type { WeightsOptions } from '../../weights/decide.js'
import type { LoadStage } from '../backend.js'
import { referenceDetections } from '../cpu/reference-detections.js'
import { unavailable } from '../unavailable.js'
import type { Addon, NativeProbe } from './addon.js'
import type { NativeLibrary } from './library.js'
import { buildError } from './native-error.js'

/** What an engine is made of. */
interface Model {
  /** The weights file. */
  readonly path: string
  readonly weights: WeightsOptions
  /** Network input; null for the model's native one. */
  readonly inputSize: Size | null
}

export interface NativeGraphRequest extends Model {
  readonly maxBatchSize: number
  readonly engine: EngineChoices
  readonly signal: AbortSignal | undefined
  readonly onStage: (stage: LoadStage, fraction: number) => void
}

export interface NativeBuildRequest extends Model {
  readonly maxBatchSize: number
  /** Number of the GPU to build on. */
  readonly device: number
  /** Compute capabilities, as 10·major + minor; empty for the device's own. */
  readonly targets: readonly number[]
  readonly engine: EngineChoices
  readonly signal: AbortSignal | undefined
  readonly onProgress: BuildProgress
}

export interface NativeEngineBuild extends CachedEngine {
  /** Of this build alone: memory that is tight, a folder that cannot be written, a CPU backend that does not run. */
  readonly notes: readonly string[]
}

/** The graph's precision; TF32 is how TensorRT multiplies float32. */
const GRAPH_PRECISION: Readonly<Record<EnginePrecision, GraphPrecision>> = {
  fp32: 'fp32',
  tf32: 'fp32',
  fp16: 'fp16',
  bf16: 'bf16',
}

/** The graph of a weights file, and what state that was in. */
export interface NativeGraph extends HashedGraph {
  readonly file: string | null
}

/** Reads weights and writes the graph that engines are built from, whatever GPU they are for. */
export async function nativeGraph(request: NativeGraphRequest): Promise<NativeGraph> {
  const { path, weights, inputSize, maxBatchSize, engine, signal, onStage } = request
  onStage('weights', 0)
  const batch = maxBatchSize > 1 ? 'dynamic' : 1
  const settings = { inputSize, batch, precision: GRAPH_PRECISION[engine.precision], input: 'fp32' } as const
  const file = await stateOf(path)
  const graph = await runTask('graph', [path, weights, settings], signal)
  onStage('graph', 1)
  return { ...graph, file }
}

/** Brings the engine of a graph: from the cache, or built. */
export async function buildNative(
  native: NativeLibrary,
  graph: NativeGraph,
  request: NativeBuildRequest,
): Promise<NativeEngineBuild> {
  const { maxBatchSize, device, targets, engine, signal, onProgress } = request
  const { precision, workspaceBytes, optimisationLevel, versionCompatible, hardwareCompatible } = engine
  const target = targetOf(native, device, targets)
  const recipe: EngineRecipe = {
    packageVersion: VERSION,
    target,
    settings: {
      precision,
      maxBatchSize,
      workspaceBytes,
      optimisationLevel,
      versionCompatible,
      hardwareCompatible,
    },
    graph: graph.sha256,
    spec: graph.spec,
    inputSize: graph.inputSize,
    notes: graph.notes,
  }
  const notes: string[] = []
  const built = await cachedEngine({
    recipe,
    onMismatch: engine.onMismatch,
    signal,
    onProgress,
    build: async (timingCache, onBuilding) => {
      if (engine.checkMemory) {
        const warning = await checkBuildMemory(native, recipe, device)
        if (warning !== null) notes.push(warning)
      }
      // Pictures that cannot be read are to be heard of before the long part.
      const frames = engine.selfTest ? await testImages() : null
      const context = { recipe, device, timingCache, signal }
      const built = await build(native, graph, context, onBuilding)
      // After it: the memory that both need does not add up.
      if (frames !== null) onBuilding({ fraction: 1, phase: "the CPU backend's answers for the self-test" })
      const referenceDetections =
        frames && (await answersTo(frames, graph, request, (note) => notes.push(note)))
      onBuilding({ fraction: 1, phase: 'built' })
      return { ...built, referenceDetections }
    },
  })
  if (built.cached) onProgress({ fraction: 1, phase: 'built before' })
  if (built.notKept !== null) {
    notes.push(`The engine is not kept, and the next start builds it again: ${built.notKept.message}`)
  }
  return { ...built, notes }
}

/** What the CPU backend answers to the self-test's pictures; null where it does not, and a note says why. */
async function answersTo(
  frames: readonly Frame[],
  graph: NativeGraph,
  { path, weights, inputSize, engine, signal }: NativeBuildRequest,
  note: (text: string) => void,
): Promise<DetectionArrays[] | null> {
  const threads = availableProcessors()
  try {
    if (engine.checkMemory) {
      checkCpuMemory(estimateCpuMemory(graph.spec.architecture, graph.inputSize), await freeMemory())
    }
    const found = await referenceDetections(
      { path, weights, inputSize, threads, signal, onStage: () => {} },
      frames,
    )
    if ((await stateOf(path)) === graph.file) return found
    throw new EfficientDetError('ERR_WEIGHTS', `${path} was changed while the engine was built.`)
  } catch (error) {
    if (signal?.aborted || !(error instanceof EfficientDetError)) throw error
    note(`The engine's self-test can only compare it with itself, not with the CPU backend: ${error.message}`)
    return null
  }
}

/** Tells a file from whatever takes its place or is written into it, of equal size and time too; null for none. */
function stateOf(path: string): Promise<string | null> {
  return stat(path).then(
    ({ dev, ino, size, mtimeMs, ctimeMs }) => [dev, ino, size, mtimeMs, ctimeMs].join(),
    () => null,
  )
}

/** What engines are built for and run on here. */
export const PLATFORM = `${process.platform}-${process.arch}`

function targetOf(
  { addon, library, probe }: NativeLibrary,
  number: number,
  targets: readonly number[],
): EngineTarget {
  const { libraryVersion, cudaVersion } = probe
  const common = { family: addon.nameOf(library), libraryVersion, cudaVersion, platform: PLATFORM }
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

/**
 * The GPU of a number.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for one that is not there; ERR_BACKEND_UNAVAILABLE for one of which
 *   nothing is known
 */
export function deviceOf({ devices }: NativeProbe, number: number): NativeProbe['devices'][number] {
  const device = devices[number]
  if (device?.name === '') {
    throw unavailable(
      'tensorrt',
      `GPU ${number} does not answer: CUDA tells nothing of it`,
      'see what nvidia-smi says; or use another GPU',
    )
  }
  if (device !== undefined) return device
  const names = devices.map(({ name }) => name || 'one that does not answer').join(', ')
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
  { spec, inputSize, settings }: EngineRecipe,
  number: number,
): Promise<string | null> {
  // TensorRT-RTX compiles on the CPU, also where a GPU is.
  const device = addon.nameOf(library) === 'tensorrt-rtx' ? undefined : probe.devices[number]
  const isOnDevice = device !== undefined
  const estimate = (optimisationLevel: number) =>
    estimateMemory(spec.architecture, inputSize, { ...settings, optimisationLevel }, isOnDevice)
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
  readonly recipe: EngineRecipe
  readonly device: number
  readonly timingCache: Uint8Array | null
  readonly signal: AbortSignal | undefined
}

async function build(
  { addon, library }: { readonly addon: Addon; readonly library: NativeLibrary['library'] },
  { onnx }: HashedGraph,
  { recipe, device, timingCache, signal }: BuildContext,
  onProgress: BuildProgress,
): Promise<Omit<Built, 'referenceDetections'>> {
  signal?.throwIfAborted()
  const { settings, target } = recipe
  const cancel = new Int32Array(new SharedArrayBuffer(4))
  const stopListening = onAbort(signal, () => Atomics.store(cancel, 0, 1))
  const { maxBatchSize, workspaceBytes, optimisationLevel, versionCompatible, hardwareCompatible } = settings
  const options = {
    maxBatchSize,
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
    return await addon.build(library, onnx, options, cancel, (fraction, phase) =>
      onProgress({ fraction, phase }),
    )
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw buildError(error, (code, message) => adviceOn(code, message, recipe))
  } finally {
    stopListening()
  }
}

function adviceOn(
  code: ErrorCode,
  message: string,
  { spec, inputSize, settings }: EngineRecipe,
): string | null {
  const { workspaceBytes } = settings
  const isMemory = code === 'ERR_OUT_OF_MEMORY'
  if (!isMemory && !/workspace/i.test(message)) return null
  // TensorRT calls it out of memory, too, when the workspace is all used.
  if (workspaceBytes === 0) return isMemory ? ADVICE : null
  const largest = largestLayerBytes(spec.architecture, inputSize, settings)
  return `The workspace was limited to ${workspaceBytes / 1e6} MB, and the largest layer moves ${Math.ceil(largest / 1e6)} MB. Allow more, or leave it to TensorRT.`
}
