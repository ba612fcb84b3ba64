import { setImmediate as turn } from 'node:timers/promises'

/** Milliseconds for which nothing else may have its turn. */
const LONGEST = 10

/**
 * Gives the event loop its turns within a loop that a caller's object feeds. If all is there already, neither timers
 * nor signals would be heard before its end.
 */
export class Turns {
  #since = 0
  /** Whether the event loop has had no turn since `#since`. */
  #waiting = false

  /** Whether a turn is to be given now; to be asked in each round. */
  get due(): boolean {
    if (this.#waiting) return performance.now() - this.#since > LONGEST
    this.#waiting = true
    this.#since = performance.now()
    setImmediate(() => {
      this.#waiting = false
    })
    return false
  }

  give(): Promise<void> {
    return turn()
  }
}
