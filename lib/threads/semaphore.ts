import { onAbort } from './abort.js'

/** Lets a limited number of callers in; the others wait in order. */
export class Semaphore {
  readonly #slots: number
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(slots: number) {
    this.#slots = slots
    this.#free = slots
  }

  /** Takes a slot if one is free. */
  tryAcquire(): boolean {
    if (this.#free === 0) return false
    this.#free--
    return true
  }

  /** Waits for a slot. @throws the signal's reason, after which nothing of the wait is left */
  async acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.tryAcquire()) return
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        stopListening()
        resolve()
      }
      const stopListening = onAbort(signal, () => {
        stopListening()
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        reject(signal!.reason)
      })
      this.#waiting.push(enter)
    })
  }

  /** Gives a slot back, to whoever waits longest. */
  release(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }

  /** Waits until all who are inside or wait now have gone. Nobody gets in any more. */
  async close(): Promise<void> {
    for (let i = 0; i < this.#slots; i++) await this.acquire()
  }
}
