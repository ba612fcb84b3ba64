import { EfficientDetError } from '../../base/errors.js'
import { packageFile } from '../../base/package-file.js'
import type { Frame } from '../../image/frame.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import { onAbort } from '../../threads/abort.js'
import { endThread } from '../../threads/native-calls.js'
import { type Peer, startPeer } from '../../threads/peer.js'
import { fromWire } from '../../threads/wire-error.js'
import { withResolvers } from '../../threads/with-resolvers.js'
import { heapError } from '../../threads/worker.js'
import type { Unavailability } from '../backend.js'
import type { LentFrame } from './lent-frame.js'
import type { FurtherNetwork, ModelRequest, Ready, Reply, Request } from './protocol.js'

export type Outcome = Extract<Reply, { result: unknown } | { failed: unknown }>

export interface OpenedThread {
  readonly thread: NetworkThread
  /** What the model is, where one was read. */
  readonly ready: Ready | null
}

export interface OpeningOptions {
  readonly signal: AbortSignal | undefined
  readonly onStage: (stage: Extract<Reply, { stage: unknown }>['stage']) => void
}

/**
 * The caller's side of a network's thread, which has one frame at a time. It keeps the process alive only while it
 * has one.
 */
export class NetworkThread {
  readonly #peer: Peer
  /** Called with what becomes of the frame that it has. */
  #onOutcome: ((outcome: Outcome) => void) | null = null
  #onLost: (error: EfficientDetError) => void = () => {}
  /** Why it ended without having been asked to. */
  #lost: EfficientDetError | null = null
  #isClosing = false

  private constructor(peer: Peer) {
    this.#peer = peer
    peer.on('message', (outcome: Outcome) => this.#settle(outcome))
    peer.on('error', (error) => this.#end(`failed: ${error.message}`, error))
    peer.on('exit', () => this.#end('was ended from outside, perhaps for lack of memory'))
    peer.unref()
  }

  /** @throws EfficientDetError that tells why it cannot be opened; the signal's reason */
  static async open(
    data: ModelRequest | FurtherNetwork,
    { signal, onStage }: OpeningOptions,
  ): Promise<OpenedThread | { readonly unavailable: Unavailability }> {
    signal?.throwIfAborted()
    const { peer, calls } = startPeer(packageFile('./network-worker.js', import.meta.url), data)
    const { promise, resolve, reject } =
      withResolvers<Extract<Reply, { ready: unknown } | { unavailable: unknown }>>()
    const onMessage = (reply: Reply) => {
      if ('stage' in reply) onStage(reply.stage)
      else if ('failed' in reply) reject(fromWire(reply.failed, 'ERR_INFERENCE'))
      else if (!('result' in reply)) resolve(reply)
    }
    const onError = (cause: Error) => reject(heapError(cause) ?? lost(`failed: ${cause.message}`, cause))
    const onExit = () => reject(lost('was ended from outside, perhaps for lack of memory'))
    peer.on('message', onMessage).on('error', onError).on('exit', onExit)
    const stopListening = onAbort(signal, () => reject(signal!.reason))
    try {
      const reply = await promise
      if ('ready' in reply) return { thread: new NetworkThread(peer), ready: reply.ready }
      await endThread(peer, calls)
      return reply
    } catch (error) {
      const ended = endThread(peer, calls)
      if (!signal?.aborted) await ended
      throw error
    } finally {
      peer.off('message', onMessage).off('error', onError).off('exit', onExit)
      stopListening()
    }
  }

  get isBusy(): boolean {
    return this.#onOutcome !== null
  }

  /** @param onLost called when the thread ends without having been asked to */
  listen(onLost: (error: EfficientDetError) => void): void {
    this.#onLost = onLost
    if (this.#lost !== null) onLost(this.#lost)
  }

  /**
   * Gives it a frame while it is not busy.
   *
   * @param frame whose bytes move to the thread, or are lent until `onOutcome` is called or the thread has ended
   */
  detect(
    frame: Frame | LentFrame,
    parameters: PostprocessParameters,
    onOutcome: (outcome: Outcome) => void,
  ): void {
    this.#onOutcome = onOutcome
    this.#peer.ref()
    const moved = 'address' in frame ? [] : [frame.data.buffer as ArrayBuffer]
    this.#peer.postMessage({ frame, parameters } satisfies Request, moved)
  }

  /** Ends the thread after the frame that it has. */
  async close(): Promise<void> {
    if (this.#lost !== null) return
    this.#isClosing = true
    this.#peer.ref()
    const exited = new Promise((resolve) => this.#peer.once('exit', resolve))
    if (!this.isBusy) this.#peer.postMessage('close' satisfies Request)
    await exited
  }

  #settle(outcome: Outcome): void {
    const onOutcome = this.#onOutcome
    this.#onOutcome = null
    if (this.#isClosing) this.#peer.postMessage('close' satisfies Request)
    else this.#peer.unref()
    onOutcome?.(outcome)
  }

  #end(how: string, cause?: unknown): void {
    if (this.#lost !== null || this.#isClosing) return
    this.#lost = lost(how, cause)
    this.#onLost(this.#lost)
  }
}

function lost(how: string, cause?: unknown): EfficientDetError {
  return new EfficientDetError(
    'ERR_ENGINE_LOST',
    `The CPU backend's thread or process ${how}. Load the model again.`,
    { cause },
  )
}
