/**
 * Tells of calls that are not answered in time. One timer serves them all, and none keeps the process alive: a timer
 * for each would cost more than all else that a call takes in JavaScript.
 */
export class Deadline {
  /** Milliseconds. */
  readonly limit: number
  /** When each call began, and what to do when it is late; the oldest first. */
  readonly #calls = new Map<() => void, number>()
  #timer: NodeJS.Timeout | null = null

  constructor(limit: number) {
    this.limit = limit
  }

  /** Begins a call. `onLate` is called once, unless `end` comes first. */
  begin(onLate: () => void): void {
    this.#calls.set(onLate, performance.now())
    this.#timer ??= setTimeout(() => this.#check(), this.limit).unref()
  }

  end(onLate: () => void): void {
    this.#calls.delete(onLate)
  }

  #check(): void {
    this.#timer = null
    for (const [onLate, begun] of this.#calls) {
      const left = begun + this.limit - performance.now()
      if (left > 0) {
        this.#timer = setTimeout(() => this.#check(), left).unref()
        return
      }
      this.#calls.delete(onLate)
      onLate()
    }
  }
}
