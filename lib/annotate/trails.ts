import type { Drawable } from './artist.js'
import type { Point } from './shapes.js'

/** Places that are kept of one track: a point for each of so many frames. */
const MOST_POINTS = 250

interface Trail {
  readonly points: Point[]
  readonly times: number[]
}

/** Remembers where tracks were in the last seconds. */
export class Trails {
  readonly #seconds: number
  readonly #trails = new Map<number, Trail>()

  constructor(seconds: number) {
    this.#seconds = seconds
  }

  /** @param time of the frame, in seconds of the stream's clock */
  update(detections: readonly Drawable[], time: number): ReadonlyMap<number, readonly Point[]> {
    for (const { trackId, box } of detections) {
      if (trackId === undefined || trackId === null) continue
      const trail = this.#trails.get(trackId) ?? { points: [], times: [] }
      trail.points.push([(box[0] + box[2]) / 2, box[3]])
      trail.times.push(time)
      this.#trails.set(trackId, trail)
    }
    for (const [trackId, { points, times }] of this.#trails) {
      while (times.length > MOST_POINTS || times[0] < time - this.#seconds || times[0] > time) {
        times.shift()
        points.shift()
      }
      if (points.length === 0) this.#trails.delete(trackId)
    }
    return new Map([...this.#trails].map(([trackId, { points }]) => [trackId, points]))
  }
}
