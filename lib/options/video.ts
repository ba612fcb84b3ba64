import { MAX_VIDEO_SIDE } from '../base/limits.js'
import type { FrameLayout } from '../image/frame.js'
import { checkInteger, checkNames, invalidOption } from './checks.js'
import { SIGNAL } from './common.js'
import {
  byDefault,
  callback,
  checkOptions,
  choice,
  integer,
  number,
  type OptionsOf,
  other,
  path,
  type Settings,
} from './option.js'

/** Where a stream is decoded: on a GPU if one is there, always on the CPU, or on NVIDIA's NVDEC or not at all. */
const DECODERS = ['auto', 'software', 'nvdec'] as const
export type DecoderChoice = (typeof DECODERS)[number]

/** When a live source is tried again: once it has given frames, from the first try on, or never. */
const RECONNECT = ['after-first', 'always', 'never'] as const
export type Reconnect = (typeof RECONNECT)[number]

/** Width, height or both, in pixels, that frames are scaled to; a missing one keeps the aspect, to an even number. */
export interface ScaleOption {
  readonly width?: number
  readonly height?: number
}

/** What a live source does. Reasons hold no passwords. */
export type VideoStatus =
  | { readonly state: 'connected' }
  | { readonly state: 'lost'; readonly reason: string }
  | { readonly state: 'retrying'; readonly reason: string }

export interface VideoOptions {
  /** Frames a second at most: of each interval of 1/fps seconds the first; 0.001…1000. Defaults to all. */
  readonly fps?: number
  /** Only every n-th frame; 1…1000000. Defaults to 1. */
  readonly every?: number
  /** Seconds into the file where it begins; 0…10⁷. Defaults to 0. */
  readonly start?: number
  /** Seconds of it that are read; 0.001…10⁷. Defaults to all. */
  readonly duration?: number
  /** Size of frames, such as `{ width: 640 }`. Defaults to the stream's own at its beginning. */
  readonly scale?: ScaleOption
  /** Frames a second of what has no clock: image sequences and commands; 0.001…1000. Defaults to 25. */
  readonly frameRate?: number
  /**
   * Whether the newest frame wins and older ones are dropped (true), or none is lost (false). Defaults to what the
   * source is.
   */
  readonly live?: boolean
  /** Defaults to `auto`. */
  readonly decoder?: DecoderChoice
  /**
   * Seconds without a frame after which a live source is opened anew, and another fails; 0.1…3600. Defaults to 5 for
   * live sources and 30 for others.
   */
  readonly timeout?: number
  /** When a live source is tried again. Defaults to `after-first`. */
  readonly reconnect?: Reconnect
  /**
   * Gives memory for frames, such as `(layout) => detector.allocateFrame(layout)`, which a GPU reads without a copy.
   * Defaults to JavaScript's own.
   */
  readonly memory?: (layout: FrameLayout) => { readonly data: Uint8Array }
  /** The program ffmpeg, 5.1 or newer. Defaults to EFFICIENTDET_FFMPEG, or to the one on the PATH. */
  readonly ffmpeg?: string
  /** Hears of connections that come and go. */
  readonly onStatus?: (status: VideoStatus) => void
  readonly signal?: AbortSignal
}

export const VIDEO_OPTIONS = {
  fps: number('frames a second at most', 0.001, 1000, byDefault(null, 'all')),
  every: integer('only every n-th frame', 1, 1_000_000, byDefault<number>(1)),
  start: number('seconds into the file where it begins', 0, 1e7, byDefault<number>(0)),
  duration: number('seconds of it that are read', 0.001, 1e7, byDefault(null, 'all')),
  scale: other(
    'size of frames: 640x for a width, x360 for a height, 640x360 for both',
    checkScale,
    byDefault(null, "the stream's own"),
  ),
  frameRate: number('frames a second of what has no clock', 0.001, 1000, byDefault<number>(25)),
  live: other('whether the newest frame wins', checkLive, byDefault(null, 'what the source is')),
  decoder: choice('where a stream is decoded', DECODERS, byDefault('auto')),
  timeout: number(
    'seconds without a frame after which a source counts as dead',
    0.1,
    3600,
    byDefault(null, '5 live, 30 else'),
  ),
  reconnect: choice('when a live source is tried again', RECONNECT, byDefault('after-first')),
  memory: other('gives memory for frames', checkMemory, byDefault(null, '')),
  ffmpeg: path('the program ffmpeg', 'EFFICIENTDET_FFMPEG, or on the PATH'),
  onStatus: callback<(status: VideoStatus) => void>('hears of connections that come and go'),
  signal: SIGNAL,
} satisfies OptionsOf<VideoOptions>

export type VideoSettings = Settings<typeof VIDEO_OPTIONS>

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkVideoOptions(options: VideoOptions): VideoSettings {
  return checkOptions('the video options', options, VIDEO_OPTIONS)
}

function checkScale(name: string, value: unknown): ScaleOption {
  checkNames(name, value, ['width', 'height'])
  const { width, height } = value as ScaleOption
  if (width === undefined && height === undefined) {
    throw invalidOption(name, value, 'a width, a height or both, in pixels')
  }
  return {
    ...(width !== undefined && { width: checkInteger(`${name}.width`, width, 1, MAX_VIDEO_SIDE) }),
    ...(height !== undefined && { height: checkInteger(`${name}.height`, height, 1, MAX_VIDEO_SIDE) }),
  }
}

function checkMemory(name: string, value: unknown): NonNullable<VideoOptions['memory']> {
  if (typeof value === 'function') return value as NonNullable<VideoOptions['memory']>
  throw invalidOption(name, value, 'a function')
}

function checkLive(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalidOption(name, value, 'true or false')
}
