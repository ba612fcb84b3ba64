/**
 * Notices calls that are not answered in time, by one timer, as one each would cost more than all else of a call.
 * Keeps no process alive.
 */
export class Deadline {
  /** Milliseconds. */
  readonly limit: number
  /** The time at which each call began, and what to do when it is late; the oldest first. */
  readonly #calls = new Map<() => void, number>()
  #timer: NodeJS.Timeout | null = null

  constructor(limit: number) {
    this.limit = limit
  }

  /** Begins a call. `onLate` is called once, unless `end` comes first. */
  begin(onLate: () => void): void {
    this.#calls.set(onLate, performance.now())
    this.#timer ??= this.#startTimer(this.limit)
  }

  end(onLate: () => void): void {
    this.#calls.delete(onLate)
  }

  /** Has all calls be late now. */
  expire(): void {
    for (const onLate of [...this.#calls.keys()]) {
      this.#calls.delete(onLate)
      onLate()
    }
  }

  #startTimer(delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      const now = performance.now()
      // After the event loop was held up, waiting answers have their turn between timers and immediates. An immediate
      // without a reference would let the loop sleep.
      setImmediate(() => this.#check(now))
    }, delay).unref()
  }

  #check(now: number): void {
    this.#timer = null
    for (const [onLate, begun] of this.#calls) {
      const left = begun + this.limit - now
      if (left > 0) {
        this.#timer = this.#startTimer(left)
        return
      }
      this.#calls.delete(onLate)
      onLate()
    }
  }
}
