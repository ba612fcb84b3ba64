import { onAbort } from './abort.js'

interface Waiter {
  readonly permits: number
  readonly enter: () => void
}

/** A number of permits, which callers take and give back; those that must wait are served in order. */
export class Semaphore {
  readonly #permits: number
  readonly #waiting: Waiter[] = []
  #free: number

  constructor(permits: number) {
    this.#permits = permits
    this.#free = permits
  }

  /** Takes permits if they are free and nobody waits. More than there are at all counts as all. */
  tryAcquire(permits = 1): boolean {
    const wanted = this.#atMost(permits)
    if (this.#waiting.length > 0 || wanted > this.#free) return false
    this.#free -= wanted
    return true
  }

  /** As `tryAcquire`, but waits. @throws the signal's reason, after which nothing of the wait is left */
  async acquire(permits = 1, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.tryAcquire(permits)) return
    await new Promise<void>((resolve, reject) => {
      const waiter = {
        permits: this.#atMost(permits),
        enter: () => {
          stopListening()
          resolve()
        },
      }
      const stopListening = onAbort(signal, () => {
        stopListening()
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        // Others may have waited only for the one before them.
        this.#admit()
        reject(signal!.reason)
      })
      this.#waiting.push(waiter)
    })
  }

  /** Gives as many permits back as were asked for. */
  release(permits = 1): void {
    this.#free += this.#atMost(permits)
    this.#admit()
  }

  /** Waits until all who are inside or wait now have gone. Nobody gets in any more. */
  async close(): Promise<void> {
    await this.acquire(this.#permits)
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].permits <= this.#free) {
      const { permits, enter } = this.#waiting.shift()!
      this.#free -= permits
      enter()
    }
  }

  #atMost(permits: number): number {
    return Math.min(permits, this.#permits)
  }
}
