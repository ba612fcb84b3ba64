import type { Counts } from '../analytics/events.js'
import type { EfficientDet } from '../api/detector.js'
import type { AnalyticsOptions } from '../options/analytics.js'
import type { DetectOptions } from '../options/detect.js'
import type { TrackerOptions } from '../options/tracker.js'
import type { VideoOptions, VideoStatus } from '../options/video.js'
import { openVideo } from '../video/open-video.js'
import type { VideoSource } from '../video/source.js'
import type { Video } from '../video/video.js'
import { Handling, type Held } from './handling.js'
import type { Picture, Sink } from './sinks/sink.js'
import { Pace, type StreamStats } from './stream-stats.js'

/** Frames of a file in detection at the same time, and of a live stream, of which the next shall be the newest. */
const AHEAD = 4
const LIVE_AHEAD = 1
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
  #handling: Handling | null = null

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
    return this.#handling?.analytics?.counts ?? null
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
    this.#handling = handling
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
