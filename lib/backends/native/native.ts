import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { type Addon, addonFolder, type Library, loadAddon, type NativeProbe } from '../../binding/addon.js'
import { EfficientDetError } from '../../errors.js'
import { anchorBoxes } from '../../models/anchors.js'
import { runTask } from '../../tasks/run.js'
import { onAbort } from '../../threads/abort.js'
import type { BackendName, Engine, OpenRequest } from '../backend.js'
import { unavailable } from '../unavailable.js'
import { NativeBackendEngine } from './engine.js'
import { nativeError } from './native-error.js'

/** A backend library that can run here. */
export interface NativeLibrary {
  readonly addon: Addon
  readonly library: Library
  readonly path: string
  readonly probe: NativeProbe
}

/**
 * Finds the first library that can run.
 *
 * @param files names beside the addon, or absolute paths
 * @throws EfficientDetError ERR_BACKEND_UNAVAILABLE that tells of every file what was found
 */
export async function findLibrary(
  name: BackendName,
  files: readonly string[],
  remedy: string,
): Promise<NativeLibrary> {
  let addon: Addon
  let folder: string
  try {
    addon = loadAddon()
    folder = addonFolder()
  } catch (error) {
    const { message } = error as Error
    throw unavailable(
      name,
      `the addon cannot be loaded (${message.trim().replace(/\s*\n\s*/g, '; ')})`,
      remedy,
    )
  }
  const reasons: string[] = []
  for (const file of files) {
    const path = isAbsolute(file) ? file : join(folder, file)
    if (!existsSync(path)) {
      reasons.push(`there is no ${path}`)
      continue
    }
    try {
      const library = addon.openLibrary(path)
      const probe = await addon.probe(library, null)
      if (probe.reason === null) return { addon, library, path, probe }
      reasons.push(probe.reason)
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  throw unavailable(name, reasons.join('; '), remedy)
}

/** Reads weights, writes the graph, builds an engine of it and makes it ready: whatever takes long is cancellable. */
export async function openNative(
  { addon, library, probe }: NativeLibrary,
  {
    path,
    weights,
    size,
    maxBatchSize,
    maxBatchDelay,
    maxPending,
    inferenceDeadline,
    signal,
    onStage,
  }: OpenRequest,
): Promise<Engine> {
  onStage('weights', 0)
  const batch = maxBatchSize > 1 ? 'dynamic' : 1
  const settings = { size, batch, precision: 'float16', input: 'float32' } as const
  const graph = await runTask('graph', [path, weights, settings], signal)
  onStage('graph', 1)
  const onBuilding = (fraction: number) => onStage('engine', fraction)
  const plan = await build(addon, library, graph.onnx, maxBatchSize, signal, onBuilding)
  const { spec } = graph
  const { mean, std, fill, resize } = spec.preprocessing
  const model = {
    inputHeight: graph.size.height,
    inputWidth: graph.size.width,
    classes: spec.architecture.classes,
    anchors: anchorBoxes(graph.size, spec.architecture.variant.maxLevel, spec.anchors),
    normalisation: Float32Array.from([...mean, ...std, ...fill]),
    resize: resize === 'antialiased' ? 0 : 1,
  } as const
  // Calls that were aborted while they run still hold a place until their batch ends.
  const options = {
    device: 0,
    slots: 1,
    maxBatchSize,
    maxBatchDelay: 1000 * maxBatchDelay,
    maxPending: maxPending + maxBatchSize,
  }
  try {
    const engine = await addon.loadEngine(library, plan, model, options)
    signal?.throwIfAborted()
    const description = `${probe.description}: ${engine.info().description}`
    return new NativeBackendEngine(engine, { ...graph, description, deadline: inferenceDeadline })
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw error instanceof EfficientDetError ? error : nativeError(error, 'The engine cannot be loaded')
  }
}

/** One build at a time: TensorRT's builders share state, and each takes one of libuv's four threads. */
let building: Promise<unknown> = Promise.resolve()

async function build(
  addon: Addon,
  library: Library,
  onnx: Uint8Array,
  maxBatch: number,
  signal: AbortSignal | undefined,
  onProgress: (fraction: number) => void,
): Promise<Uint8Array> {
  const turn = building.then(async () => {
    signal?.throwIfAborted()
    const cancel = new Int32Array(new SharedArrayBuffer(4))
    const options = {
      maxBatch,
      device: 0,
      targets: new Uint32Array(),
      workspaceBytes: 0,
      optimisationLevel: -1,
      tf32: true,
      versionCompatible: false,
      hardwareCompatible: false,
      timingCache: null,
    }
    const stopListening = onAbort(signal, () => Atomics.store(cancel, 0, 1))
    try {
      const { plan } = await addon.build(library, onnx, options, cancel, onProgress)
      return plan
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw nativeError(error, 'The engine cannot be built')
    } finally {
      stopListening()
    }
  })
  building = turn.catch(() => {})
  return turn
}
