import { EfficientDetError } from '../../base/errors.js'
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
 * Reference detections of a model in the self-test's images. Reads the weights anew, as their float32 in memory would
 * cost more, and checks that they are the graph's.
 *
 * @throws the signal's reason
 */
export async function referenceDetections(
  images: readonly Frame[],
  graph: EngineGraph,
  { path, weights, inputSize, engine, detectReference, signal }: ReferenceRequest,
): Promise<ReferenceDetections> {
  try {
    const detections = await detectReference({ path, weights, inputSize, engine, signal }, images)
    if ((await stateOf(path)) === graph.file) return { detections, note: null }
    throw new EfficientDetError('ERR_WEIGHTS', `${path} was changed while the engine was built.`)
  } catch (error) {
    // Whatever fails here, the engine is built.
    if (signal?.aborted) throw signal.reason
    const reason = error instanceof Error ? error.message : String(error)
    const note = `The engine's self-test can only compare it with itself, not with the CPU backend: ${reason}`
    return { detections: null, note }
  }
}
