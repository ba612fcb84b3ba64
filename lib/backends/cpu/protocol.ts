import type { Frame } from '../../image/frame.js'
import type { Size } from '../../models/levels.js'
import type { ModelSpec } from '../../models/spec.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import type { NativeCalls } from '../../threads/native-calls.js'
import type { WireError } from '../../threads/wire-error.js'
import type { EngineResult, LoadStage, OpenRequest, Unavailability } from '../backend.js'

/** What the engine's thread is started with. */
export type ThreadData = Pick<OpenRequest, 'path' | 'weights' | 'inputSize' | 'threads'> & {
  /** Whether a model is refused that needs more memory than is free, by an estimate. */
  readonly checkMemory: boolean
  readonly calls: NativeCalls
}

/** Message to the thread. */
export type Request = { readonly frame: Frame; readonly parameters: PostprocessParameters } | 'close'

export interface Ready {
  readonly spec: ModelSpec
  readonly inputSize: Size
  readonly notes: readonly string[]
  readonly description: string
}

/** From the thread: stages and `ready`, `unavailable` or `failed` while it loads, then one `result` or `failed` per frame. */
export type Reply =
  | { readonly stage: LoadStage }
  | { readonly ready: Ready }
  | { readonly unavailable: Unavailability }
  | { readonly result: EngineResult }
  | { readonly failed: WireError }
