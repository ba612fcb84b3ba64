import { EfficientDetError } from '../../base/errors.js'

/** Events that may wait for a receiver; more are lost, the oldest first. */
export const MAX_WAITING_EVENTS = 10_000

/** Events that are on their way, in order, and what becomes of them. */
export class Deliveries<T> {
  readonly #waiting: T[] = []
  #written = 0
  #lost = 0
  #error: EfficientDetError | null = null

  get size(): number {
    return this.#waiting.length
  }

  get written(): number {
    return this.#written
  }

  get lost(): number {
    return this.#lost
  }

  get error(): EfficientDetError | null {
    return this.#error
  }

  add(events: readonly T[]): void {
    this.#waiting.push(...events)
    const tooMany = this.#waiting.length - MAX_WAITING_EVENTS
    if (tooMany > 0) this.lose(this.#waiting.splice(0, tooMany).length, 'too many events wait')
  }

  /** Takes the next ones, which are then to be told of as delivered or lost. */
  take(most: number): T[] {
    return this.#waiting.splice(0, most)
  }

  deliver(count: number): void {
    this.#written += count
  }

  lose(count: number, reason: string): void {
    this.#lost += count
    if (count > 0) this.#error ??= new EfficientDetError('ERR_OUTPUT', `Events were lost: ${reason}.`)
  }

  /** Gives up what waits. */
  loseAll(reason: string): void {
    this.lose(this.#waiting.splice(0).length, reason)
  }
}
