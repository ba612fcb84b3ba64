import { Analytics, type AnalyticsOptions, type ObjectEvent } from '#lib/analytics/index.js'
import type { TrackedFrame } from '#lib/tracking/index.js'

export const FRAME = { width: 1000, height: 600 }

export interface Sighting {
  readonly label: string
  readonly classId: number
  readonly score: number
  readonly box: readonly [number, number, number, number]
  readonly trackId: number | null
}

/** A person of 40×80 pixels who stands on a point. */
export function person(
  trackId: number | null,
  [x, y]: readonly [number, number],
  label = 'person',
): Sighting {
  return { label, classId: label === 'person' ? 0 : 1, score: 0.9, box: [x - 20, y - 80, x + 20, y], trackId }
}

/** Points on the way from one to another, the last included. */
export function* walk(
  from: readonly [number, number],
  to: readonly [number, number],
  frames: number,
): Generator<[number, number]> {
  for (let i = 1; i <= frames; i++) {
    const at = i / frames
    yield [from[0] + at * (to[0] - from[0]), from[1] + at * (to[1] - from[1])]
  }
}

/** Runs a scene, a frame for each list of sightings. Who is not seen any more has ended with the frame after. */
export class Scene {
  analytics: Analytics
  readonly events: ObjectEvent[] = []
  readonly frameRate: number
  #frames = 0
  #live = new Set<number>()

  constructor(options: AnalyticsOptions, frameRate = 25) {
    this.analytics = new Analytics(options, FRAME)
    this.frameRate = frameRate
  }

  get time(): number {
    return this.#frames / this.frameRate
  }

  /** @param ended tracks that the tracker has given up */
  frame(sightings: readonly Sighting[], ended: readonly number[] = []): void {
    const frame: TrackedFrame<Sighting> = { time: this.time, detections: [...sightings], ended }
    this.#frames++
    for (const { trackId } of sightings) if (trackId !== null) this.#live.add(trackId)
    for (const trackId of ended) this.#live.delete(trackId)
    this.events.push(...this.analytics.update(frame))
  }

  /** Walks of several at the same time. */
  walks(ways: Readonly<Record<number, Iterable<[number, number]>>>): void {
    const iterators = Object.entries(ways).map(([id, way]) => [Number(id), way[Symbol.iterator]()] as const)
    for (;;) {
      const points = iterators.map(([id, way]) => [id, way.next()] as const)
      if (points.every(([, { done }]) => done)) return
      this.frame(points.flatMap(([id, { done, value }]) => (done ? [] : [person(id, value)])))
    }
  }

  pause(frames: number): void {
    for (let i = 0; i < frames; i++) this.frame([])
  }

  /** Ends all tracks. */
  end(): void {
    this.frame([], [...this.#live])
  }
}
