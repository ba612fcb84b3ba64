import type { Built } from '../../engines/cache.js'
import type { EngineRecipe } from '../../engines/header.js'
import type { BuildProgress } from '../../engines/progress.js'
import { onAbort } from '../../threads/abort.js'
import { buildError } from './build-error.js'
import type { NativeLibrary } from './library.js'

export interface PlanRequest {
  readonly recipe: EngineRecipe
  /** The graph as an ONNX file, which must stay as it is meanwhile. */
  readonly onnx: Uint8Array
  /** Number of the GPU to build on. */
  readonly device: number
  readonly timingCache: Uint8Array | null
  readonly signal: AbortSignal | undefined
  readonly onProgress: BuildProgress
}

/**
 * Lets TensorRT build an engine.
 *
 * @throws EfficientDetError ERR_ENGINE, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE, with what TensorRT said as
 *   `details.log`; the signal's reason
 */
export async function buildPlan(
  { addon, library }: NativeLibrary,
  { recipe, onnx, device, timingCache, signal, onProgress }: PlanRequest,
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
    throw buildError(error, recipe)
  } finally {
    stopListening()
  }
}
