import { EfficientDetError } from '../../base/errors.js'
import { freeMemory } from '../../engines/free-memory.js'
import { checkCpuMemory, estimateCpuMemory } from '../../engines/memory.js'
import type { Frame } from '../../image/frame.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import type { OpenRequest } from '../backend.js'
import { type EngineGraph, stateOf } from './build-graph.js'

export type ReferenceRequest = Pick<
  OpenRequest,
  'path' | 'weights' | 'inputSize' | 'engine' | 'detectReference' | 'signal'
>

export interface ReferenceDetections {
  /** One of each image; null where the reference cannot run. */
  readonly detections: readonly DetectionArrays[] | null
  /** Why not, or null. */
  readonly note: string | null
}

/**
 * Reference detections of a model in the self-test's images. The weights are read anew: their float32 in memory during
 * every build would cost more than a second's reading, so that they are the graph's still is checked.
 *
 * @throws the signal's reason
 */
export async function referenceDetections(
  images: readonly Frame[],
  graph: EngineGraph,
  { path, weights, inputSize, engine, detectReference, signal }: ReferenceRequest,
): Promise<ReferenceDetections> {
  try {
    if (engine.checkMemory) {
      checkCpuMemory(estimateCpuMemory(graph.spec.architecture, graph.inputSize), await freeMemory())
    }
    const detections = await detectReference({ path, weights, inputSize, signal }, images)
    if ((await stateOf(path)) === graph.file) return { detections, note: null }
    throw new EfficientDetError('ERR_WEIGHTS', `${path} was changed while the engine was built.`)
  } catch (error) {
    if (signal?.aborted || !(error instanceof EfficientDetError)) throw error
    const note = `The engine's self-test can only compare it with itself, not with the CPU backend: ${error.message}`
    return { detections: null, note }
  }
}
