import { EfficientDetError } from '../../base/errors.js'
import { type FrameMemory, plainMemory } from '../../image/allocated-frame.js'
import { copyOf, type DeviceFrame, type Frame } from '../../image/frame.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import { onAbort } from '../../threads/abort.js'
import { fromWire } from '../../threads/wire-error.js'
import { withResolvers } from '../../threads/with-resolvers.js'
import type { Engine, EngineCall, EngineResult, EngineStats, Opening, OpenRequest } from '../backend.js'
import { checkPlace } from '../frame-place.js'
import { Cores } from './cores.js'
import { openFurtherNetworks } from './further-networks.js'
import { type LentFrame, lend } from './lent-frame.js'
import { NetworkThread, type Outcome } from './network-thread.js'
import type { ModelRequest, Ready } from './protocol.js'

/** What opening on the CPU takes. */
export type CpuRequest = ModelRequest & Pick<OpenRequest, 'signal' | 'onStage'>

/** A call that waits for its answer. */
interface Job {
  readonly frame: Frame
  /** How the thread reads the frame in place; null where it gets the bytes. */
  readonly lent: LentFrame | null
  readonly parameters: PostprocessParameters
  readonly submitted: number
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (reason: unknown) => void
}

/** Calls that overlapped before networks that share the cores are opened: about as many as pay for that. */
const OVERLAPS = 32

/**
 * Networks in threads of their own, each with one frame at a time; other frames wait here, where an abort can still
 * take them out.
 */
export class CpuEngine implements Engine {
  readonly spec: Ready['spec']
  readonly inputSize: Ready['inputSize']
  readonly notes: Ready['notes']
  readonly gpus = []
  readonly #ready: Omit<Ready, 'onnx'>
  readonly #threads: number
  readonly #cores: Cores<NetworkThread>
  readonly #queue: Job[] = []
  readonly #running = new Set<Job>()
  /** How many calls are in flight, as the last one told. */
  #calls = 0
  /** How many overlapped with others. */
  #overlaps = 0
  /** The network, until others are opened with it. */
  #onnx: Uint8Array | null
  #opening: Promise<void> = Promise.resolve()
  /** Why calls cannot share the cores though they should. */
  #unshared: string | null = null
  #answered = 0
  /** Why no more calls are taken. */
  #ended: EfficientDetError | null = null
  #closed: Promise<void> | null = null
  /** Called whenever the last pending call has been answered. */
  #onIdle: (() => void) | null = null

  private constructor(thread: NetworkThread, { onnx, ...ready }: Ready, threads: number) {
    this.spec = ready.spec
    this.inputSize = ready.inputSize
    this.notes = ready.notes
    this.#ready = ready
    this.#threads = threads
    this.#onnx = onnx
    this.#cores = new Cores(thread)
    thread.listen((error) => this.#end(error))
  }

  static async open({ signal, onStage, ...request }: CpuRequest): Promise<Opening> {
    const { path, weights, inputSize, threads, checkMemory } = request
    const model: ModelRequest = { path, weights, inputSize, threads, checkMemory }
    const opening = await NetworkThread.open(model, { signal, onStage: (stage) => onStage(stage, 0) })
    if ('unavailable' in opening) return opening
    return { engine: new CpuEngine(opening.thread, opening.ready!, threads) }
  }

  get description(): string {
    const { runtime, sharing } = this.#ready
    const one = `${runtime}, ${counted(this.#threads, 'thread')}`
    if (this.#threads === 1) return one
    if (this.#unshared !== null) return `${one} (calls take turns: ${this.#unshared})`
    if (sharing === null) return `${one} (calls take turns: too little memory for a network for each core)`
    return `${one}, for many calls ${sharing.networks} networks of ${counted(sharing.threads, 'thread')}`
  }

  async detect(
    frame: Frame | DeviceFrame,
    parameters: PostprocessParameters,
    { signal, calls = 1, isOwn = false }: EngineCall = {},
  ): Promise<EngineResult> {
    signal?.throwIfAborted()
    if (this.#ended !== null) throw this.#ended
    checkPlace(frame, null)
    const { promise, resolve, reject } = withResolvers<Outcome>()
    const lent = isOwn ? lend(frame) : null
    const job: Job = {
      frame: lent === null ? copyOf(frame) : frame,
      lent,
      parameters,
      submitted: performance.now(),
      resolve,
      reject,
    }
    const stopListening = onAbort(signal, () => {
      const place = this.#queue.indexOf(job)
      // A running one cannot be stopped: its answer is dropped when it comes.
      if (place >= 0) this.#queue.splice(place, 1)
      reject(signal!.reason)
    })
    this.#queue.push(job)
    this.#calls = calls
    if (calls > 1 && ++this.#overlaps >= OVERLAPS) this.#share()
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
    const batches = this.#answered === 0 ? [] : [{ batchSize: 1, count: this.#answered }]
    return [{ device: null, queued: this.#queue.length, running: this.#running.size, batches, graphs: [] }]
  }

  allocate(bytes: number): FrameMemory {
    return plainMemory(bytes)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  #next(): void {
    while (this.#queue.length > 0) {
      const thread = this.#cores.next(this.#calls)
      if (thread === null) return
      this.#start(this.#queue.shift()!, thread)
    }
    if (this.#running.size === 0) this.#onIdle?.()
  }

  #start(job: Job, thread: NetworkThread): void {
    const started = performance.now()
    this.#running.add(job)
    // A lent frame lives as long as this callback, which knows it by its job.
    thread.detect(job.lent ?? job.frame, job.parameters, (outcome) => {
      this.#running.delete(job)
      this.#answered++
      if ('result' in outcome) {
        const { detections, timings } = outcome.result
        job.resolve({ result: { detections, timings: { ...timings, queue: started - job.submitted } } })
      } else {
        job.resolve(outcome)
      }
      this.#next()
    })
  }

  /** Opens the networks that share the cores, while calls take turns in the one that is there. */
  #share(): void {
    const { sharing } = this.#ready
    if (sharing === null || this.#onnx === null) return
    this.#opening = openFurtherNetworks(this.#ready, this.#onnx, sharing).then(
      (networks) => {
        for (const network of networks) network.listen((error) => this.#end(error))
        this.#cores.share(networks)
        this.#next()
      },
      (error) => {
        // Calls are answered all the same.
        this.#unshared = (error as Error).message
      },
    )
    this.#onnx = null
  }

  #end(error: EfficientDetError): void {
    if (this.#ended !== null) return
    this.#ended = error
    for (const job of [...this.#running, ...this.#queue.splice(0)]) job.reject(error)
    this.#running.clear()
    this.#onIdle?.()
  }

  async #close(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
    this.#onnx = null
    await this.#opening
    this.#ended ??= new EfficientDetError('ERR_DISPOSED', 'The engine was closed.')
    await Promise.all(this.#cores.all.map((thread) => thread.close()))
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
