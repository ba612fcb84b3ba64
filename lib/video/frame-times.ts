import { Lines } from './log.js'

/** Times that wait for their frames; a live stream of which nobody takes frames has more and more. */
const MAX_WAITING_TIMES = 10_000

/** A time in a stream's own units. */
export interface FrameTime {
  readonly pts: number
  /** Seconds, as a fraction. */
  readonly timeBase: readonly [numerator: number, denominator: number]
}

/**
 * Reads the times of frames, which ffmpeg writes to an output of their own (`framecrc`): one line a frame, in the
 * stream's own units.
 */
export class FrameTimes {
  #timeBase: FrameTime['timeBase'] | null = null
  /** Times of frames that were not asked for yet, by the frame's number. */
  readonly #times = new Map<number, number>()
  #count = 0
  /** Frames before it are gone. */
  #first = 0
  readonly #lines = new Lines((line) => this.#read(line))

  push(text: string): void {
    this.#lines.push(text)
  }

  /** The time of a frame, once it is there, and forgets those before. */
  take(index: number): FrameTime | null {
    const pts = this.#times.get(index)
    if (pts === undefined || this.#timeBase === null) return null
    for (; this.#first <= index; this.#first++) this.#times.delete(this.#first)
    return { pts, timeBase: this.#timeBase }
  }

  #read(line: string): void {
    const base = /^#tb 0: (\d+)\/(\d+)$/.exec(line)
    if (base !== null) this.#timeBase = [Number(base[1]), Number(base[2])]
    const frame = /^0, *-?\d+, *(-?\d+),/.exec(line)
    if (frame === null) return
    this.#times.set(this.#count++, Number(frame[1]))
    if (this.#times.size > MAX_WAITING_TIMES) this.#times.delete(this.#first++)
  }
}
