import { EfficientDetError } from '../../base/errors.js'
import { type FrameMemory, noMemory } from '../../image/allocated-frame.js'
import { type DeviceFrame, type Frame, isDeviceFrame } from '../../image/frame.js'
import { nativeLayout, nativePlanes } from '../../image/native-layout.js'
import type { Size } from '../../models/levels.js'
import type { ModelSpec } from '../../models/spec.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import { onAbort } from '../../threads/abort.js'
import { Deadline } from '../../threads/deadline.js'
import { withResolvers } from '../../threads/with-resolvers.js'
import type { Engine, EngineCall, EngineResult, EngineStats, GpuReport } from '../backend.js'
import { checkPlace } from '../frame-place.js'
import {
  type Addon,
  type NativeEngine,
  type NativePostprocess,
  type NativeResult,
  RESULT_FACTS,
} from './addon.js'
import { nativeError } from './native-error.js'

export interface NativeEngineFacts {
  readonly addon: Pick<Addon, 'detachFrame'>
  /** As far as it does not change. */
  readonly gpu: Omit<GpuReport, 'deviceBytes' | 'graphs'>
  readonly spec: ModelSpec
  readonly inputSize: Size
  readonly notes: readonly string[]
  readonly description: string
  /** Milliseconds after which a call that the backend does not answer is given up. */
  readonly deadline: number
}

/** An engine of the addon: queue, batches and thread are there; cancelling, deadlines and errors here. */
export class NativeBackendEngine implements Engine {
  readonly device: number
  readonly spec: ModelSpec
  readonly inputSize: Size
  readonly notes: readonly string[]
  readonly description: string
  readonly #addon: Pick<Addon, 'detachFrame'>
  readonly #native: NativeEngine
  #gpu: GpuReport
  readonly #deadline: Deadline
  readonly #planes = nativePlanes()
  #nextId = 1
  /** Set when the backend did not answer in time: its thread may never come back. */
  #hung: EfficientDetError | null = null
  #dead = false
  #closing: Promise<void> | null = null

  constructor(
    native: NativeEngine,
    { addon, gpu, spec, inputSize, notes, description, deadline }: NativeEngineFacts,
  ) {
    this.#addon = addon
    this.#native = native
    this.device = gpu.device
    this.#gpu = { ...gpu, deviceBytes: 0, graphs: [] }
    this.spec = spec
    this.inputSize = inputSize
    this.notes = notes
    this.description = description
    this.#deadline = new Deadline(deadline)
  }

  /** As it was last where it is closed. */
  get gpus(): readonly GpuReport[] {
    const { deviceBytes, graphs } = this.#native.info() ?? this.#gpu
    this.#gpu = { ...this.#gpu, deviceBytes, graphs }
    return [this.#gpu]
  }

  async detect(
    frame: Frame | DeviceFrame,
    parameters: PostprocessParameters,
    { signal }: EngineCall = {},
  ): Promise<EngineResult> {
    signal?.throwIfAborted()
    if (this.#hung !== null) throw this.#hung
    checkPlace(frame, this.device)
    const id = this.#nextId++
    const submitted = this.#submit(id, frame, parameters)
    const { promise, resolve, reject } = withResolvers<NativeResult>()
    let interrupted = false
    const interrupt = (reason: unknown) => {
      interrupted = true
      reject(reason)
    }
    const onLate = () => interrupt(this.#giveUp())
    this.#deadline.begin(onLate)
    submitted.then(
      (result) => {
        this.#deadline.end(onLate)
        resolve(result)
      },
      (error) => {
        this.#deadline.end(onLate)
        reject(error)
      },
    )
    const stopListening = onAbort(signal, () => {
      // A running one cannot be stopped: its answer is dropped when it comes, which it must in time like any other.
      if (this.#native.cancel(id)) this.#deadline.end(onLate)
      interrupt(signal!.reason)
    })
    try {
      return toResult(await promise)
    } catch (error) {
      // Made here, where its stack goes back to the caller.
      throw interrupted ? error : this.#failure(error)
    } finally {
      stopListening()
    }
  }

  stats(): EngineStats[] {
    const { queued, running, batches } = this.#native.stats()
    const counts = batches.flatMap((count, i) => (count === 0 ? [] : [{ batchSize: i + 1, count }]))
    const [{ graphs }] = this.gpus
    return [{ device: this.device, queued, running, batches: counts, graphs }]
  }

  allocate(bytes: number): FrameMemory {
    if (this.#hung !== null) throw this.#hung
    const buffer = this.#native.allocate(bytes)
    if (buffer === undefined) throw noMemory(bytes)
    return { buffer, free: () => this.#addon.detachFrame(buffer) }
  }

  close(): Promise<void> {
    this.#closing ??= this.#native.close()
    return this.#closing
  }

  /** Whether it will answer nothing more: its device was lost, or its backend hangs. */
  get isDead(): boolean {
    return this.#dead
  }

  #submit(id: number, frame: Frame | DeviceFrame, parameters: PostprocessParameters): Promise<NativeResult> {
    const layout = nativeLayout(frame, this.#planes)
    try {
      return this.#native.submit(
        id,
        isDeviceFrame(frame) ? frame.devicePointer : ownMemory(frame.data),
        ...layout,
        ...readinessOf(frame),
        ...toNative(parameters),
      )
    } catch (error) {
      throw nativeError(error, 'The frame was not taken')
    }
  }

  #failure(error: unknown): EfficientDetError {
    const failure = nativeError(error, 'The network did not run')
    if (failure.code === 'ERR_DEVICE_LOST') this.#dead = true
    // What does not fit here is the frame: the engine was found to fit when it was loaded.
    if (failure.code !== 'ERR_ENGINE') return failure
    return new EfficientDetError('ERR_INVALID_OPTION', (error as Error).message, { cause: error })
  }

  /** Leaves the backend to itself: nobody waits for it any more, neither other calls nor the process. */
  #giveUp(): EfficientDetError {
    if (this.#hung !== null) return this.#hung
    this.#dead = true
    this.#hung = new EfficientDetError(
      'ERR_ENGINE_LOST',
      `The backend did not answer within ${this.#deadline.limit} ms and is taken for dead. Restart the process; raise inferenceDeadline if it is only slow.`,
    )
    this.#native.abandon()
    this.#deadline.expire()
    return this.#hung
  }
}

/** What the device waits for, as `submit` takes it. */
function readinessOf(frame: Frame | DeviceFrame): [readiness: 0 | 1 | 2, awaited: bigint | null] {
  if (!isDeviceFrame(frame)) return [0, null]
  const { event, stream } = frame
  return event !== undefined ? [1, event] : stream !== undefined ? [2, stream] : [0, null]
}

/** See NativePostprocess. */
export function toNative(parameters: PostprocessParameters): NativePostprocess {
  const { scoreThresholds, iouThreshold, maxDetections, preNmsTopK, nms } = parameters
  return [scoreThresholds, iouThreshold, maxDetections, preNmsTopK, nms === 'agnostic']
}

/** N-API reads no shared memory. */
function ownMemory(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  if (data.buffer instanceof SharedArrayBuffer) return new Uint8Array(data)
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** See NativeResult. */
export function toResult(native: NativeResult): EngineResult {
  const facts = new Float32Array(native, 0, RESULT_FACTS)
  const begin = facts.byteLength
  const count = (native.byteLength - begin) / (6 * Float32Array.BYTES_PER_ELEMENT)
  return {
    detections: {
      boxes: new Float32Array(native, begin, 4 * count),
      scores: new Float32Array(native, begin + 16 * count, count),
      classIds: new Uint32Array(native, begin + 20 * count, count),
      capped: { preNmsTopK: facts[4] !== 0, maxDetections: facts[5] !== 0 },
    },
    timings: { queue: facts[0], preprocess: facts[1], network: facts[2], postprocess: facts[3] },
  }
}
