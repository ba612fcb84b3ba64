import type { FrameTime } from './frame-times.js'

/** Seconds by which a live stream's own time may go astray from ours before it is taken for a jump. */
const MOST_ASTRAY = 5

/**
 * Makes seconds that never go back of the times of a live stream's frames, which begin anew with each connection and
 * may jump.
 */
export class LiveClock {
  /** What is added to the stream's own seconds; null where they begin anew. */
  #offset: number | null = null
  #last: { readonly time: number; readonly received: number } | null = null

  /** @param received milliseconds, as `performance.now()` counts */
  timeOf({ pts, timeBase: [numerator, denominator] }: FrameTime, received: number): number {
    const own = (pts * numerator) / denominator
    const last = this.#last
    if (last === null) this.#offset = -own
    else {
      const expected = last.time + (received - last.received) / 1000
      const time = this.#offset === null ? null : own + this.#offset
      const isSound = time !== null && time > last.time && Math.abs(time - expected) < MOST_ASTRAY
      if (!isSound) this.#offset = Math.max(expected, last.time + 1e-3) - own
    }
    const time = own + this.#offset!
    this.#last = { time, received }
    return time
  }

  /** The connection was lost. */
  begin(): void {
    this.#offset = null
  }
}
