import { Analytics } from '../analytics/analytics.js'
import { Trails } from '../annotate/trails.js'
import type { Detection } from '../api/result.js'
import type { AnalyticsOptions } from '../options/analytics.js'
import type { TrackerOptions } from '../options/tracker.js'
import { Tracker } from '../tracking/tracker.js'
import type { FrameContext, Video } from '../video/video.js'
import { outlinesOf } from './outlines.js'
import type { FrameReport, Picture, Sink } from './sinks/sink.js'

/** Seconds of a track's trail in a picture. */
const TRAIL = 2
/** Frames of a file that sinks may still need while later ones are looked at. */
const MAX_HELD = 2

/** A frame's context, and the frame. */
export type Held = FrameContext & { readonly frame: Picture['frame'] }

/** Tracks, counts and hands on, frame by frame. */
export class Handling {
  readonly analytics: Analytics | null
  readonly #stream: string
  readonly #video: Video
  readonly #sinks: readonly Sink[]
  readonly #zones: AnalyticsOptions
  readonly #tracker: Tracker | null
  readonly #trails = new Trails(TRAIL)
  readonly #draws: boolean
  readonly #held: Promise<unknown>[] = []
  #epoch: number | null = null
  #last: FrameReport | null = null

  /** @param rate frames a second that are to be expected; null where nobody knows */
  constructor(
    stream: string,
    video: Video,
    { tracker, sinks }: { readonly tracker: TrackerOptions | null; readonly sinks: readonly Sink[] },
    zones: AnalyticsOptions,
    rate: number | null,
  ) {
    this.#stream = stream
    this.#video = video
    this.#sinks = sinks
    this.#zones = zones
    this.#tracker =
      tracker === null ? null : new Tracker({ ...(rate !== null && { frameRate: rate }), ...tracker })
    this.analytics =
      tracker === null ? null : new Analytics(zones, { width: video.width, height: video.height })
    this.#draws = sinks.some(({ draws }) => draws)
  }

  async take(found: readonly Detection[], context: Held): Promise<void> {
    const { index, time, pts, timeBase, frame, received } = context
    this.#epoch ??= this.#video.live ? (performance.timeOrigin + received) / 1000 - time : 0
    const tracked = this.#tracker?.update(found, time) ?? null
    const events = tracked === null ? [] : this.analytics!.update(tracked)
    const detections = tracked?.detections ?? found
    const report: FrameReport = {
      ...{ stream: this.#stream, live: this.#video.live, epoch: this.#epoch },
      ...{ index, time, pts, timeBase, width: frame.width, height: frame.height },
      ...{ detections, events, counts: this.analytics?.counts ?? null },
    }
    this.#last = report
    const { frameRate } = this.#video
    const scene = this.#draws ? this.#sceneOf(report) : { detections }
    const taken = this.#sinks.map((sink) => sink.write(report, { frame, frameRate, scene }))
    const needed = taken.filter((promise) => promise !== null)
    if (needed.length === 0) {
      context.release()
      return
    }
    const freed = Promise.all(needed).then(() => context.release())
    if (report.live) return
    this.#held.push(freed)
    if (this.#held.length >= MAX_HELD) await this.#held.shift()
  }

  #sceneOf({ detections, counts, time, width, height }: FrameReport): Picture['scene'] {
    // What only continues tracks, and has none, is noise to the eye.
    const shown = this.#tracker === null ? detections : detections.filter(({ trackId }) => trackId !== null)
    return {
      detections: shown,
      trails: this.#trails.update(detections, time),
      outlines: outlinesOf(this.#zones, counts, { width, height }),
    }
  }

  /** Tells of the ends of all objects. */
  async end(): Promise<void> {
    await Promise.all(this.#held)
    if (this.#tracker === null || this.#last === null) return
    const events = this.analytics!.update(this.#tracker.end())
    if (events.length === 0) return
    const report = { ...this.#last, detections: [], events, counts: this.analytics!.counts }
    for (const sink of this.#sinks) await sink.write(report, null)
  }
}
