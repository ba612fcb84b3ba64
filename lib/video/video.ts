import { EfficientDetError } from '../base/errors.js'
import { type Frame, isYuv } from '../image/frame.js'
import type { VideoSettings } from '../options/video.js'
import { onAbort } from '../threads/abort.js'
import type { DecodedFrame, Decoder, Run } from './decoder.js'
import type { DecoderReport } from './ffmpeg-run.js'
import type { FrameMemory } from './frame-memory.js'
import type { StreamFacts } from './log.js'
import type { Reconnection } from './reconnection.js'
import { LiveClock } from './stream-clock.js'

/** When a frame belongs, and how to give its memory back. */
export interface FrameContext {
  /** Counted from the first frame that was decoded; frames that were dropped count too. */
  readonly index: number
  /** Seconds: of the file's own clock, or since a live stream's first frame. Never goes back. */
  readonly time: number
  /** In the stream's own units, which begin anew with each connection. */
  readonly pts: number
  /** Seconds of a unit, as a fraction. */
  readonly timeBase: readonly [numerator: number, denominator: number]
  /** When it was read, in milliseconds as `performance.now()` counts. */
  readonly received: number
  /** Gives the frame's memory to a later one. Nobody needs to, but then each frame takes new memory. */
  release(): void
}

/** A frame as `detector.stream` takes it: what is in `context` comes back with its result. */
export interface VideoFrame {
  readonly source: Frame & { readonly data: Uint8Array }
  readonly context: FrameContext
}

/** What has happened to a source so far. */
export interface VideoStats {
  /** Frames that were handed out. */
  readonly frames: number
  /** Frames that gave way to newer ones. */
  readonly dropped: number
  /** Times that a live source came back. */
  readonly reconnections: number
  /** Faults of the stream that its decoder told of. */
  readonly faults: number
}

export interface Opening {
  readonly run: Run
  readonly settings: VideoSettings
  readonly report: DecoderReport
  readonly decoder: Decoder
  readonly facts: StreamFacts
  readonly memory: FrameMemory
  readonly reconnection: Reconnection
}

/** Milliseconds without a frame after which a source counts as dead. */
export function patience({ timeout }: VideoSettings, isLive: boolean): number {
  return 1000 * (timeout ?? (isLive ? 5 : 30))
}

/** The same for a source to begin with: cameras wait for a whole picture, and servers for cameras. */
export function openingPatience({ address }: Run, settings: VideoSettings): number {
  return Math.max(patience(settings, false), address === null ? 0 : SLOW_OPENING)
}

const SLOW_OPENING = 10_000

/**
 * An open source: frames, in order and one at a time, until its end or until it is closed.
 *
 * ```ts
 * await using video = await openVideo('street.mp4')
 * for await (const { context, detections } of detector.stream(video)) console.log(context.time, detections)
 * ```
 */
export class Video implements AsyncIterableIterator<VideoFrame, undefined>, AsyncDisposable {
  /** The source, without secrets. */
  readonly name: string
  /** Whether the newest frame wins. */
  readonly live: boolean
  readonly decoder: DecoderReport
  readonly #run: Run
  readonly #settings: VideoSettings
  readonly #memory: FrameMemory
  readonly #reconnection: Reconnection
  readonly #clock = new LiveClock()
  readonly #closing = new AbortController()
  readonly #stopListening: () => void
  #facts: StreamFacts
  #decoder: Decoder | null
  /** Frames of earlier connections, and what befell them. */
  #before = { frames: 0, dropped: 0, faults: 0 }
  #frames = 0
  #last: DecodedFrame | null = null
  #lastTime = Number.NEGATIVE_INFINITY
  #closed: Promise<void> | null = null
  #pull: Promise<unknown> = Promise.resolve()

  constructor({ run, settings, report, decoder, facts, memory, reconnection }: Opening) {
    this.name = run.name
    this.live = run.isLive(facts)
    this.decoder = report
    this.#run = run
    this.#settings = settings
    this.#memory = memory
    this.#reconnection = reconnection
    this.#facts = facts
    this.#decoder = decoder
    this.#stopListening = onAbort(settings.signal, () => void this.close())
  }

  get codec(): string {
    return this.#facts.codec
  }

  /** Size of frames in pixels; a live stream may come back with another. */
  get width(): number {
    return this.#facts.width
  }

  get height(): number {
    return this.#facts.height
  }

  /** Frames a second, as the stream tells; null where it does not. */
  get frameRate(): number | null {
    return this.#facts.frameRate
  }

  /** Seconds of a file; null for what has no end. */
  get duration(): number | null {
    return this.#facts.duration
  }

  get stats(): VideoStats {
    return {
      frames: this.#frames,
      dropped: this.#before.dropped + (this.#decoder?.drops ?? 0),
      reconnections: this.#reconnection.count,
      faults: this.#before.faults + (this.#decoder?.faults ?? 0),
    }
  }

  /** The next frame. @throws EfficientDetError ERR_VIDEO, ERR_FFMPEG; the signal's reason */
  next(): Promise<IteratorResult<VideoFrame, undefined>> {
    // One at a time, as of a generator.
    const pull = this.#pull.then(() => this.#next())
    this.#pull = pull.catch(() => {})
    return pull
  }

  async #next(): Promise<IteratorResult<VideoFrame, undefined>> {
    try {
      const frame = await this.#nextFrame()
      if (frame !== null) return { done: false, value: this.#dressed(frame) }
    } catch (error) {
      await this.close()
      this.#settings.signal?.throwIfAborted()
      // Whoever closed it wants no error.
      if (!this.#closing.signal.aborted || error !== this.#closing.signal.reason) throw error
    }
    await this.close()
    return { done: true, value: undefined }
  }

  async #nextFrame(): Promise<DecodedFrame | null> {
    const signal = this.#closing.signal
    for (;;) {
      this.#settings.signal?.throwIfAborted()
      signal.throwIfAborted()
      const decoder = this.#decoder ?? (await this.#reconnect(signal))
      try {
        const frame = await decoder.next(signal, patience(this.#settings, this.live))
        if (frame !== null) {
          this.#reconnection.succeed()
          return frame
        }
        if (!this.live || this.#settings.reconnect === 'never') return null
        this.#lose(`${this.name} ended.`)
      } catch (error) {
        if (!(error instanceof EfficientDetError)) throw error
        if (!this.live || this.#settings.reconnect === 'never') throw error
        this.#lose(error.message)
      }
    }
  }

  #lose(reason: string): void {
    const decoder = this.#decoder!
    this.#decoder = null
    this.#before = {
      frames: this.#before.frames + (this.#last === null ? 0 : this.#last.index + 1),
      dropped: this.#before.dropped + decoder.drops,
      faults: this.#before.faults + decoder.faults,
    }
    this.#last = null
    this.#clock.begin()
    this.#reconnection.lose(decoder.end(), reason)
  }

  async #reconnect(signal: AbortSignal): Promise<Decoder> {
    const { decoder, facts } = await this.#reconnection.connect(this.#run, this.#memory, signal)
    this.#decoder = decoder
    this.#facts = facts
    return decoder
  }

  #dressed(frame: DecodedFrame): VideoFrame {
    const { data, index, received } = frame
    const { width, height, matrix, range } = this.#facts
    this.#last = frame
    this.#frames++
    const { time, pts, timeBase } = this.#timeOf(frame)
    const format = this.#run.format
    let isReleased = false
    return {
      source: { data, format, width, height, ...(isYuv(format) && { matrix, range }) },
      context: {
        index: this.#before.frames + index,
        ...{ time, pts, timeBase, received },
        release: () => {
          if (!isReleased) this.#memory.giveBack(data)
          isReleased = true
        },
      },
    }
  }

  #timeOf({ index, time, received }: DecodedFrame): Pick<FrameContext, 'time' | 'pts' | 'timeBase'> {
    const own = time ?? this.#uncounted(index, received)
    const [numerator, denominator] = own.timeBase
    const seconds = this.live ? this.#clock.timeOf(own, received) : (own.pts * numerator) / denominator
    // Damaged files have times that go back.
    this.#lastTime = Math.max(seconds, this.#lastTime)
    return { time: this.#lastTime, ...own }
  }

  /** The time of a frame that has none: by its number, or when it came. */
  #uncounted(index: number, received: number): Pick<FrameContext, 'pts' | 'timeBase'> {
    const unit = [1, 1_000_000] as const
    if (this.live) return { pts: Math.round(1000 * received), timeBase: unit }
    return { pts: Math.round((1e6 * index) / this.#settings.frameRate), timeBase: unit }
  }

  /** Ends the source and whatever decodes it. May be called again, and while a frame is awaited. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#stopListening()
    this.#closing.abort(new Error('closed'))
    await Promise.all([this.#decoder?.end(), this.#reconnection.close()])
  }

  async return(): Promise<IteratorResult<VideoFrame, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
