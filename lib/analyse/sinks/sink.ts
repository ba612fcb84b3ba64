import type { Counts, ObjectEvent } from '../../analytics/events.js'
import type { Scene } from '../../annotate/artist.js'
import type { Detection } from '../../api/result.js'
import type { EfficientDetError } from '../../base/errors.js'
import type { Frame } from '../../image/frame.js'

/** A detection, with the number of its track where there is tracking: null while it has none. */
export type Found = Detection & { readonly trackId?: number | null }

/** What became of one frame. */
export interface FrameReport {
  /** The stream's name. */
  readonly stream: string
  /** Whether its frames come as they come, and not as fast as they are taken. */
  readonly live: boolean
  readonly index: number
  /** Seconds of the stream's clock. */
  readonly time: number
  readonly pts: number
  readonly timeBase: readonly [numerator: number, denominator: number]
  /** Seconds since 1970 at which a live stream's clock was 0; 0 for a file, which tells no date. */
  readonly epoch: number
  readonly width: number
  readonly height: number
  readonly detections: readonly Found[]
  /** None without tracking. */
  readonly events: readonly ObjectEvent[]
  /** Counts of lines and zones so far; null without tracking. */
  readonly counts: Counts | null
}

/** The frame itself, whose memory a sink may use and change until what `write` gave has settled. */
export interface Picture {
  readonly frame: Frame & { readonly data: Uint8Array }
  readonly frameRate: number | null
  readonly scene: Scene
}

export interface SinkStats {
  readonly name: string
  /** Frames or, where it takes these, events that were delivered. */
  readonly written: number
  /** What was not, and never will be. */
  readonly lost: number
  /** What went wrong first. */
  readonly error: EfficientDetError | null
}

/** Where results go. None ever throws, holds memory without bound, or takes its time from detection. */
export interface Sink {
  /** Whether it needs frames to have trails and outlines. */
  readonly draws: boolean
  /**
   * Takes a frame's results.
   *
   * @param picture null after the last frame, when there are but events
   * @returns settles when it needs the frame no more, for which files wait; null where it does not already
   */
  write(report: FrameReport, picture: Picture | null): Promise<void> | null
  /** A stream has ended. */
  end(stream: string): Promise<void>
  close(): Promise<void>
  readonly stats: SinkStats
}

/** A path with a stream's name in it, in the place of `{stream}`. */
export function pathOf(path: string, stream: string): string {
  return path.replaceAll('{stream}', stream.replace(/[^\p{L}\p{N}._-]+/gu, '_'))
}
