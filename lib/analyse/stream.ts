import { Analytics } from '../analytics/analytics.js'
import type { Counts } from '../analytics/events.js'
import { Trails } from '../annotate/trails.js'
import type { EfficientDet } from '../api/detector.js'
import type { Detection } from '../api/result.js'
import type { AnalyticsOptions } from '../options/analytics.js'
import type { DetectOptions } from '../options/detect.js'
import type { TrackerOptions } from '../options/tracker.js'
import type { VideoOptions, VideoStatus } from '../options/video.js'
import { Tracker } from '../tracking/tracker.js'
import { openVideo } from '../video/open-video.js'
import type { VideoSource } from '../video/source.js'
import type { FrameContext, Video } from '../video/video.js'
import { outlinesOf } from './outlines.js'
import type { FrameReport, Picture, Sink } from './sinks/sink.js'
import { Pace, type StreamStats } from './stream-stats.js'

/** Seconds of a track's trail in a picture. */
const TRAIL = 2
/** Frames of a file in detection at the same time, and of a live stream, of which the next shall be the newest. */
const AHEAD = 4
const LIVE_AHEAD = 1
/** Frames of a file that sinks may still need while later ones are looked at. */
const MAX_HELD = 2

/** One stream and what is done with it. */
export interface StreamOptions extends VideoOptions {
  readonly source: VideoSource
  /** Defaults to the source, without secrets. */
  readonly name?: string
  /** Lines and zones of this stream, in the place of those of all. */
  readonly zones?: AnalyticsOptions
}

export interface StreamWork {
  readonly detector: EfficientDet
  readonly detect: DetectOptions
  readonly tracker: TrackerOptions | null
  readonly zones: AnalyticsOptions
  readonly sinks: readonly Sink[]
  /** Ends the stream, kindly. */
  readonly stop: AbortSignal
}

/** Runs one stream from its source to the sinks. */
export class Stream {
  readonly name: string
  readonly #options: StreamOptions
  readonly #work: StreamWork
  readonly #pace = new Pace()
  #video: Video | null = null
  #state: StreamStats['state'] = 'opening'
  #reason: string | null = null
  #failed = 0
  #queue = 0
  #analytics: Analytics | null = null

  constructor(name: string, options: StreamOptions, work: StreamWork) {
    this.name = name
    this.#options = options
    this.#work = work
  }

  get stats(): StreamStats {
    const { dropped = 0, reconnections = 0 } = this.#video?.stats ?? {}
    const duration = this.#video?.duration ?? null
    const rate = this.#rate
    const total = duration === null || rate === null ? null : this.#expected(duration, rate)
    return {
      ...{ name: this.name, state: this.#state, frames: this.#pace.frames, failed: this.#failed },
      ...{ fps: this.#pace.fps, latency: this.#pace.latency, dropped, reconnections, queue: this.#queue },
      ...{ total, reason: this.#reason },
    }
  }

  /** Counts of lines and zones so far; null without tracking. */
  get counts(): Counts | null {
    return this.#analytics?.counts ?? null
  }

  /** Frames a second that are asked for, of those that there are; null where nobody knows. */
  get #rate(): number | null {
    const { fps = Number.POSITIVE_INFINITY, every = 1 } = this.#options
    const frameRate = this.#video?.frameRate ?? null
    const rate = frameRate === null ? fps : Math.min(frameRate / every, fps)
    return Number.isFinite(rate) ? Math.min(Math.max(rate, 0.1), 1000) : null
  }

  #expected(seconds: number, rate: number): number {
    const { start = 0, duration = Number.POSITIVE_INFINITY } = this.#options
    return Math.max(1, Math.round(Math.min(Math.max(seconds - start, 0), duration) * rate))
  }

  /** @throws EfficientDetError of the source or detector, after the sinks have had what there was */
  async run(): Promise<void> {
    try {
      await this.#run()
      this.#state = 'ended'
    } catch (error) {
      if (this.#work.stop.aborted) {
        this.#state = 'ended'
        return
      }
      this.#state = 'failed'
      this.#reason = error instanceof Error ? error.message : String(error)
      throw error
    } finally {
      await Promise.all(this.#work.sinks.map((sink) => sink.end(this.name)))
    }
  }

  async #run(): Promise<void> {
    const { source, name: _, zones, ...options } = this.#options
    const { stop, detector, detect } = this.#work
    const onStatus = (status: VideoStatus) => {
      this.#state = status.state === 'connected' ? 'running' : 'lost'
      this.#reason = status.state === 'connected' ? null : status.reason
      options.onStatus?.(status)
    }
    // A camera that is away now may be there later, and holds up no other.
    await using video = await openVideo(source, {
      reconnect: 'always',
      memory: (layout) => detector.allocateFrame(layout),
      ...options,
      onStatus,
      signal: stop,
    })
    this.#video = video
    this.#state = 'running'
    const results = detector.stream(this.#counted(video), {
      ...detect,
      maxInFlight: video.live ? LIVE_AHEAD : AHEAD,
      onError: 'yield',
    })
    const handling = new Handling(this.name, video, this.#work, zones ?? this.#work.zones, this.#rate)
    this.#analytics = handling.analytics
    try {
      for await (const result of results) {
        this.#queue--
        const { context } = result
        if ('error' in result) {
          this.#failed++
          this.#reason = result.error.message
          context.release()
          continue
        }
        await handling.take(result.detections, context)
        this.#pace.count(context.received)
      }
    } finally {
      await handling.end()
    }
  }

  async *#counted(video: Video): AsyncGenerator<{ source: Picture['frame']; context: Held }> {
    // Not `yield*`, which would close the video while its frames are still in detection.
    for (;;) {
      const next = await video.next().catch((error) => {
        // Frames that are in detection come to their end all the same.
        if (this.#work.stop.aborted) return { done: true, value: undefined } as const
        throw error
      })
      if (next.done) return
      this.#queue++
      const { source, context } = next.value
      yield { source, context: { ...context, frame: source } }
    }
  }
}

/** A frame's context, and the frame. */
type Held = FrameContext & { readonly frame: Picture['frame'] }

/** Tracks, counts and hands on, frame by frame. */
class Handling {
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
    { tracker, sinks }: StreamWork,
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
