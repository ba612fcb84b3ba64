import type { Frame } from '../../image/frame.js'
import type { Size } from '../../models/levels.js'
import type { ModelSpec } from '../../models/spec.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import type { NativeCalls } from '../../threads/native-calls.js'
import type { WireError } from '../../threads/wire-error.js'
import type { EngineResult, LoadStage, OpenRequest, Unavailability } from '../backend.js'
import type { Sharing } from './cores.js'
import type { LentFrame } from './lent-frame.js'

/** What a network's thread is started with. */
export type ThreadData = (ModelRequest | FurtherNetwork) & { readonly calls: NativeCalls }

/** A model that is to be read. */
export type ModelRequest = Pick<OpenRequest, 'path' | 'weights' | 'inputSize' | 'threads'> & {
  /** Whether a model is refused that needs more memory than is free, by an estimate. */
  readonly checkMemory: boolean
}

/** A network that another thread has read. */
export interface FurtherNetwork extends Pick<Ready, 'spec' | 'inputSize'> {
  readonly threads: number
  /** An ONNX file in memory, or the path of one that onnxruntime has optimised, whose weights all threads share. */
  readonly network: Uint8Array | string
  /** Where the network is to be written once it is optimised, and taken from. */
  readonly optimised: string | null
}

/** Message to the thread. */
export type Request =
  | { readonly frame: Frame | LentFrame; readonly parameters: PostprocessParameters }
  | 'close'

export interface Ready {
  readonly spec: ModelSpec
  readonly inputSize: Size
  readonly notes: readonly string[]
  /** Such as `onnxruntime 1.30.0`. */
  readonly runtime: string
  /** How many calls in flight may share the cores. */
  readonly sharing: Sharing | null
  /** The ONNX file, for those networks; null where cores are not shared. */
  readonly onnx: Uint8Array | null
}

/** From the thread: stages and `ready` (null unless it read a model), `unavailable` or `failed` while it loads, then one `result` or `failed` per frame. */
export type Reply =
  | { readonly stage: LoadStage }
  | { readonly ready: Ready | null }
  | { readonly unavailable: Unavailability }
  | { readonly result: EngineResult }
  | { readonly failed: WireError }
