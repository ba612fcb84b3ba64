import { Semaphore } from '../threads/semaphore.js'
import type { DetectorStats } from './stats.js'

/** The share of one call in what all calls may take. */
export interface Ticket {
  /** Takes bytes for an image as soon as they are free; once for each call. @throws the signal's reason */
  reserve(bytes: number, signal: AbortSignal | undefined): Promise<void>
  giveBack(): void
}

/** Bounds what calls hold at the same time: their number, and the bytes of their images. */
export class Intake {
  readonly #calls: Semaphore
  readonly #bytes: Semaphore
  readonly #counts = { pending: 0, waiting: 0, pendingBytes: 0 }

  constructor(limits: { readonly calls: number; readonly bytes: number }) {
    this.#calls = new Semaphore(limits.calls)
    this.#bytes = new Semaphore(limits.bytes)
  }

  get counts(): Pick<DetectorStats, 'pending' | 'waiting' | 'pendingBytes'> {
    return { ...this.#counts }
  }

  /** Lets a call in, or gives null if it would have to wait. */
  tryEnter(bytes: number): Ticket | null {
    if (!this.#calls.tryAcquire()) return null
    if (this.#bytes.tryAcquire(bytes)) return this.#ticket(bytes)
    this.#calls.release()
    return null
  }

  /** Lets a call in when it has its turn. @throws the signal's reason */
  async enter(bytes: number, signal: AbortSignal | undefined): Promise<Ticket> {
    this.#counts.waiting++
    try {
      await this.#calls.acquire(1, signal)
      try {
        // Also where nothing is taken yet: a file is not read while those before it wait for memory.
        await this.#bytes.acquire(bytes, signal)
      } catch (error) {
        this.#calls.release()
        throw error
      }
    } finally {
      this.#counts.waiting--
    }
    return this.#ticket(bytes)
  }

  /** Waits until all calls that are inside or wait now have gone. Nobody gets in any more. */
  close(): Promise<void> {
    return this.#calls.close()
  }

  #ticket(bytes: number): Ticket {
    const counts = this.#counts
    let held = bytes
    counts.pending++
    counts.pendingBytes += bytes
    return {
      reserve: async (more, signal) => {
        await this.#bytes.acquire(more, signal)
        held = more
        counts.pendingBytes += more
      },
      giveBack: () => {
        counts.pending--
        counts.pendingBytes -= held
        this.#bytes.release(held)
        this.#calls.release()
      },
    }
  }
}
