import { setTimeout as sleep } from 'node:timers/promises'
import { EfficientDetError } from '../base/errors.js'
import type { VideoSettings, VideoStatus } from '../options/video.js'
import { Decoder, type Run } from './decoder.js'
import type { FrameMemory } from './frame-memory.js'
import { answersKnock } from './knock.js'
import type { StreamFacts } from './log.js'

/** Milliseconds of the first pause; each is twice the one before. */
const FIRST_PAUSE = 100
/** The longest while nobody listens: whoever comes back is to be seen within two seconds. */
const LONGEST_KNOCK_PAUSE = 800
/** The longest where ffmpeg was started in vain. */
const LONGEST_PAUSE = 10_000
/** Milliseconds for a server to answer a knock, and for a stream to begin. */
const KNOCK_PATIENCE = 1000
const OPENING_PATIENCE = 10_000

/** Opens a live source again and again, with growing pauses, until it gives frames. */
export class Reconnection {
  readonly #onStatus: (status: VideoStatus) => void
  /** Programs that still end. */
  readonly #ending = new Set<Promise<void>>()
  #failures = 0
  #count = 0
  #isLost = false

  constructor({ onStatus }: VideoSettings) {
    this.#onStatus = onStatus
  }

  /** Times that the source came back. */
  get count(): number {
    return this.#count
  }

  /** The source gave a frame. */
  succeed(): void {
    this.#failures = 0
    if (!this.#isLost) return
    this.#isLost = false
    this.#count++
    this.#onStatus({ state: 'connected' })
  }

  /** The source is lost. @param ending of the program that read it */
  lose(ending: Promise<void>, reason: string): void {
    this.#track(ending)
    // What connects and dies at once is to be left alone for longer and longer as well.
    if (this.#isLost) this.#failures++
    this.#onStatus({ state: this.#isLost ? 'retrying' : 'lost', reason })
    this.#isLost = true
  }

  /** @throws the signal's reason */
  async connect(
    run: Run,
    memory: FrameMemory,
    signal: AbortSignal,
  ): Promise<{ readonly decoder: Decoder; readonly facts: StreamFacts }> {
    for (;;) {
      await sleep(Math.min(FIRST_PAUSE * 2 ** this.#failures, LONGEST_PAUSE), null, { signal })
      await this.#someoneListens(run, signal)
      const decoder = new Decoder(run, memory)
      try {
        return { decoder, facts: await decoder.open(signal, OPENING_PATIENCE) }
      } catch (error) {
        this.#track(decoder.end())
        signal.throwIfAborted()
        if (!(error instanceof EfficientDetError)) throw error
        this.#failures++
        this.#onStatus({ state: 'retrying', reason: error.message })
      }
    }
  }

  async #someoneListens({ address }: Run, signal: AbortSignal): Promise<void> {
    if (address === null) return
    for (let pause = FIRST_PAUSE; !(await answersKnock(address, signal, KNOCK_PATIENCE)); pause *= 2) {
      signal.throwIfAborted()
      // A server that was away has had no chance yet.
      this.#failures = 0
      await sleep(Math.min(pause, LONGEST_KNOCK_PAUSE), null, { signal })
    }
  }

  #track(ending: Promise<void>): void {
    this.#ending.add(ending)
    void ending.finally(() => this.#ending.delete(ending))
  }

  /** Waits for all programs to end. */
  async close(): Promise<void> {
    await Promise.all(this.#ending)
  }
}
