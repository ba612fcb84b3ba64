import type { EfficientDet } from '../api/detector.js'
import { inspect } from '../base/inspect.js'
import { redacted } from '../base/listing.js'
import { ANALYTICS_OPTIONS, type AnalyticsOptions } from '../options/analytics.js'
import { checkNames, checkNumber, checkSignal, invalidOption } from '../options/checks.js'
import type { DetectOptions } from '../options/detect.js'
import { checkOptions } from '../options/option.js'
import { TRACKER_OPTIONS, type TrackerOptions } from '../options/tracker.js'
import { checkVideoOptions } from '../options/video.js'
import { onAbort } from '../threads/abort.js'
import { isCommand } from '../video/source.js'
import type { Sink, SinkStats } from './sinks/sink.js'
import { Stream, type StreamOptions } from './stream.js'
import type { StreamStats } from './stream-stats.js'

/** Streams of one call. */
const MAX_STREAMS = 1000

export interface AnalyseOptions {
  /** What is looked at: sources alone, or with a name, options of `openVideo`, and zones of their own. */
  readonly streams: readonly (StreamOptions['source'] | StreamOptions)[]
  /** What finds objects; frames of several streams are worked on together. */
  readonly detector: EfficientDet
  /** Options of `detect`. ByteTrack wants detections of low score too. */
  readonly detect?: DetectOptions
  /** Whether objects are tracked, or how. Defaults to true. */
  readonly track?: boolean | TrackerOptions
  /** Lines and zones of all streams that have none of their own. */
  readonly zones?: AnalyticsOptions
  /** Where results go; they are closed in the end. */
  readonly sinks?: readonly Sink[]
  /** Hears of all streams, as often as `statsInterval` says. */
  readonly onStats?: (stats: AnalysisStats) => void
  /** Seconds, 0.05…3600. Defaults to 1. */
  readonly statsInterval?: number
  /** Ends all streams; what was begun, files above all, is brought to its end before the call rejects. */
  readonly signal?: AbortSignal
}

export interface AnalysisStats {
  readonly streams: readonly StreamStats[]
  readonly sinks: readonly SinkStats[]
}

const NAMES = [
  'streams',
  'detector',
  'detect',
  'track',
  'zones',
  'sinks',
  'onStats',
  'statsInterval',
  'signal',
]

/**
 * Finds, tracks and counts objects in many streams with one detector, until they end. Each has its turn: none that is
 * slow, dead or fast keeps another waiting.
 *
 * @returns what became of each stream; one that failed says why
 * @throws EfficientDetError ERR_INVALID_OPTION; the first stream's error where all have failed; the signal's reason
 */
export async function analyse(options: AnalyseOptions): Promise<AnalysisStats> {
  const { streams, sinks, statsInterval, onStats, signal } = checked(options)
  const stop = new AbortController()
  const stopListening = onAbort(signal, () => stop.abort(signal!.reason))
  const running = streams(stop.signal)
  const stats = (): AnalysisStats => ({
    streams: running.map((stream) => stream.stats),
    sinks: sinks.map((sink) => sink.stats),
  })
  const timer = onStats === undefined ? undefined : setInterval(() => onStats(stats()), 1000 * statsInterval)
  try {
    signal?.throwIfAborted()
    const outcomes = await Promise.allSettled(running.map((stream) => stream.run()))
    await Promise.all(sinks.map((sink) => sink.close()))
    signal?.throwIfAborted()
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected')
    if (failures.length === outcomes.length) throw failures[0].reason
    return stats()
  } finally {
    clearInterval(timer)
    stopListening()
  }
}

function checked(options: AnalyseOptions) {
  return inspect('the options of analyse', () => {
    checkNames('the options of analyse', options, NAMES)
    const {
      detector,
      detect = {},
      track = true,
      zones = {},
      sinks = [],
      onStats,
      statsInterval = 1,
    } = options
    if (typeof detector?.stream !== 'function') {
      throw invalidOption('detector', detector, 'what EfficientDet.load gave')
    }
    checkOptions('zones', zones, ANALYTICS_OPTIONS)
    if (typeof track !== 'boolean') checkOptions('the tracker options', track, TRACKER_OPTIONS)
    const tracker = track === true ? {} : track === false ? null : track
    const named = namedStreams(options.streams)
    return {
      sinks,
      onStats,
      statsInterval: checkNumber('statsInterval', statsInterval, 0.05, 3600),
      signal: checkSignal(options.signal),
      streams: (stop: AbortSignal) =>
        named.map(
          ([name, stream]) => new Stream(name, stream, { detector, detect, tracker, zones, sinks, stop }),
        ),
    }
  })
}

function namedStreams(streams: AnalyseOptions['streams']): (readonly [name: string, StreamOptions])[] {
  if (!Array.isArray(streams) || streams.length === 0 || streams.length > MAX_STREAMS) {
    throw invalidOption('streams', streams, `a list of 1 to ${MAX_STREAMS} sources`)
  }
  const names = new Set<string>()
  return streams.map((stream: StreamOptions['source'] | StreamOptions, i) => {
    const isBare = typeof stream === 'string' || stream instanceof URL || 'command' in stream
    const own: StreamOptions = isBare ? { source: stream } : stream
    const { source, name = nameOf(source), zones, ...video } = own
    checkVideoOptions(video)
    if (zones !== undefined) checkOptions(`streams[${i}].zones`, zones, ANALYTICS_OPTIONS)
    if (typeof name !== 'string' || name === '' || names.has(name)) {
      throw invalidOption(`streams[${i}].name`, name, 'a text that no other stream has')
    }
    names.add(name)
    return [name, own] as const
  })
}

function nameOf(source: StreamOptions['source']): string {
  if (isCommand(source)) return source.command[0]
  return redacted(String(source))
}
