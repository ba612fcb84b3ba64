import { EfficientDetError } from '../../base/errors.js'
import { packageFile } from '../../base/package-file.js'
import { type FrameMemory, plainMemory } from '../../image/allocated-frame.js'
import { copyOf, type DeviceFrame, type Frame, isDeviceFrame } from '../../image/frame.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import { onAbort } from '../../threads/abort.js'
import { endThread } from '../../threads/native-calls.js'
import { type Peer, startPeer } from '../../threads/peer.js'
import { fromWire } from '../../threads/wire-error.js'
import { withResolvers } from '../../threads/with-resolvers.js'
import { heapError } from '../../threads/worker.js'
import type { Engine, EngineResult, EngineStats, Opening, OpenRequest, Unavailability } from '../backend.js'
import type { Ready, Reply, Request, ThreadData } from './protocol.js'

/** What opening on the CPU takes. */
export type CpuRequest = Pick<
  OpenRequest,
  'path' | 'weights' | 'inputSize' | 'threads' | 'signal' | 'onStage'
> &
  Pick<ThreadData, 'checkMemory'>

type Outcome = Extract<Reply, { result: unknown } | { failed: unknown }>

/** A call that waits for its answer. */
interface Job {
  readonly frame: Frame
  readonly parameters: PostprocessParameters
  readonly submitted: number
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (reason: unknown) => void
}

/**
 * The caller's side of the engine's thread, which has one frame at a time; the others wait here, where an abort can
 * still take them out.
 *
 * The thread keeps the process alive only while a call is pending.
 */
export class CpuEngine implements Engine {
  readonly spec: Ready['spec']
  readonly inputSize: Ready['inputSize']
  readonly notes: Ready['notes']
  readonly description: string
  readonly gpus = []
  readonly #worker: Peer
  readonly #queue: Job[] = []
  #running: Job | null = null
  #started = 0
  #answered = 0
  /** Why no more calls are taken. */
  #ended: EfficientDetError | null = null
  #closing: Promise<void> | null = null
  /** Called whenever the last pending call has been answered. */
  #onIdle: (() => void) | null = null

  private constructor(worker: Peer, ready: Ready) {
    this.#worker = worker
    this.spec = ready.spec
    this.inputSize = ready.inputSize
    this.notes = ready.notes
    this.description = ready.description
    worker.on('message', (reply: Reply) => this.#settle(reply))
    worker.on('error', (error) => this.#end(`failed: ${error.message}`, error))
    worker.on('exit', () => this.#end('was ended from outside, perhaps for lack of memory'))
    worker.unref()
  }

  static async open({ signal, onStage, ...request }: CpuRequest): Promise<Opening> {
    signal?.throwIfAborted()
    const url = packageFile('./network-worker.js', import.meta.url)
    const { path, weights, inputSize, threads, checkMemory } = request
    const data: Omit<ThreadData, 'calls'> = { path, weights, inputSize, threads, checkMemory }
    const { peer: worker, calls } = startPeer(url, data)
    const { promise, resolve, reject } = withResolvers<Ready | { readonly unavailable: Unavailability }>()
    const onMessage = (reply: Reply) => {
      if ('stage' in reply) onStage(reply.stage, 0)
      else if ('ready' in reply) resolve(reply.ready)
      else if ('unavailable' in reply) resolve(reply)
      else if ('failed' in reply) reject(fromWire(reply.failed, 'ERR_INFERENCE'))
    }
    const onError = (cause: Error) => reject(heapError(cause) ?? lost(`failed: ${cause.message}`, cause))
    const onExit = () => reject(lost('was ended from outside, perhaps for lack of memory'))
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
    const stopListening = onAbort(signal, () => reject(signal!.reason))
    try {
      const ready = await promise
      if (!('unavailable' in ready)) return { engine: new CpuEngine(worker, ready) }
      await endThread(worker, calls)
      return ready
    } catch (error) {
      const ended = endThread(worker, calls)
      if (!signal?.aborted) await ended
      throw error
    } finally {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit)
      stopListening()
    }
  }

  async detect(
    frame: Frame | DeviceFrame,
    parameters: PostprocessParameters,
    signal?: AbortSignal,
  ): Promise<EngineResult> {
    signal?.throwIfAborted()
    if (this.#ended !== null) throw this.#ended
    if (isDeviceFrame(frame)) {
      throw new EfficientDetError(
        'ERR_INVALID_OPTION',
        "The frame lies in a GPU's memory, which the CPU backend does not read. Copy it to the host, or load with backend 'tensorrt'.",
      )
    }
    const { promise, resolve, reject } = withResolvers<Outcome>()
    const job: Job = { frame: copyOf(frame), parameters, submitted: performance.now(), resolve, reject }
    const stopListening = onAbort(signal, () => {
      const place = this.#queue.indexOf(job)
      // A running one cannot be stopped: its answer is dropped when it comes.
      if (place >= 0) this.#queue.splice(place, 1)
      reject(signal!.reason)
    })
    this.#queue.push(job)
    this.#next()
    try {
      const outcome = await promise
      // Made here, where its stack goes back to the caller.
      if ('failed' in outcome) throw fromWire(outcome.failed, 'ERR_INFERENCE')
      return outcome.result
    } finally {
      stopListening()
    }
  }

  stats(): EngineStats[] {
    const running = this.#running === null ? 0 : 1
    const batches = this.#answered === 0 ? [] : [{ size: 1, count: this.#answered }]
    return [{ device: null, queued: this.#queue.length, running, batches }]
  }

  allocate(bytes: number): FrameMemory {
    return plainMemory(bytes)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #next(): void {
    if (this.#running !== null) return
    const job = this.#queue.shift()
    if (job === undefined) {
      this.#worker.unref()
      this.#onIdle?.()
      return
    }
    this.#running = job
    this.#started = performance.now()
    this.#worker.ref()
    const { frame, parameters } = job
    this.#worker.postMessage({ frame, parameters } satisfies Request, [frame.data.buffer as ArrayBuffer])
  }

  #settle(reply: Reply): void {
    const job = this.#running
    if (job === null) return
    this.#running = null
    this.#answered++
    if ('result' in reply) {
      const { detections, timings } = reply.result
      job.resolve({ result: { detections, timings: { ...timings, queue: this.#started - job.submitted } } })
    } else if ('failed' in reply) {
      job.resolve(reply)
    }
    this.#next()
  }

  #end(how: string, cause?: unknown): void {
    if (this.#ended !== null) return
    this.#ended = lost(how, cause)
    this.#running?.reject(this.#ended)
    for (const job of this.#queue.splice(0)) job.reject(this.#ended)
    this.#running = null
    this.#onIdle?.()
  }

  async #close(): Promise<void> {
    if (this.#running !== null) await new Promise<void>((resolve) => (this.#onIdle = resolve))
    if (this.#ended !== null) return
    this.#ended = new EfficientDetError('ERR_DISPOSED', 'The engine was closed.')
    this.#worker.ref()
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.#worker.postMessage('close' satisfies Request)
    await exited
  }
}

function lost(how: string, cause?: unknown): EfficientDetError {
  return new EfficientDetError(
    'ERR_ENGINE_LOST',
    `The CPU backend's thread or process ${how}. Load the model again.`,
    { cause },
  )
}
