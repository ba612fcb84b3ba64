import type { Command } from 'commander'
import { type AnalysisStats, analyse } from '../analyse/analyse.js'
import { annotatedVideo } from '../analyse/sinks/annotated-video.js'
import { csv, jsonLines } from '../analyse/sinks/lines.js'
import { mqtt } from '../analyse/sinks/mqtt.js'
import type { Sink } from '../analyse/sinks/sink.js'
import { webhook } from '../analyse/sinks/webhook.js'
import { readZones } from '../analytics/zones-file.js'
import { EfficientDetError } from '../base/errors.js'
import { redacted } from '../base/listing.js'
import { TRACKER_OPTIONS } from '../options/tracker.js'
import { VIDEO_OPTIONS, type VideoOptions } from '../options/video.js'
import { parsePath, parsePaths, parseScale, parseThreshold, type Thresholds } from './arguments.js'
import { isCamerasFile, readCameras } from './cameras-file.js'
import {
  addDetectorOptions,
  type DetectorFlags,
  loadDetector,
  printCircumstances,
  titleOf,
} from './detector.js'
import { addFlags, flagOf, given } from './flags.js'
import { print, printError } from './output.js'
import { StatusLines, statusOf } from './status-lines.js'

const NAMES = ['fps', 'every', 'start', 'duration', 'frameRate', 'decoder', 'timeout', 'ffmpeg'] as const

/** Trackers continue tracks by detections of low score too. */
const TRACKING_THRESHOLD = 0.1

interface VideoFlags extends DetectorFlags, Pick<VideoOptions, (typeof NAMES)[number] | 'scale'> {
  readonly scoreThreshold?: Thresholds
  readonly track: boolean
  readonly tracker?: string
  readonly zones?: string
  readonly out?: string
  readonly json: boolean
  readonly csv: boolean
  readonly mqtt?: string
  readonly webhook?: string
  readonly showStats: boolean
}

export function addVideoCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('video')
    .description('find, track and count objects in videos and cameras')
    .argument(
      '<source...>',
      'files, addresses (rtsp, rtmp, http), /dev/video0, frames/*.jpg, - for standard input, or cameras.yml',
      parsePaths,
    )
    .option('--track', 'give objects ids that stay', false)
    .option('--zones <file>', 'count in the zones and at the lines of this file; with --track', parsePath)
    .option('--out <file>', 'write an annotated video there; {stream} stands for the name of each', parsePath)
    .option('--json', 'one JSON object a frame', false)
    .option('--csv', 'one row a detection', false)
    .option('--mqtt <url>', 'publish events and counts to this broker; with --track', parsePath)
    .option('--webhook <url>', 'post events there; with --track', parsePath)
    .option('--show-stats', 'tell in the end how fast all streams were', false)
    .addOption(flagOf({ scoreThreshold: SCORE_THRESHOLD }, 'scoreThreshold', THRESHOLD_FORM))
    .addOption(flagOf({ tracker: TRACKER_OPTIONS.algorithm }, 'tracker'))
    .addOption(flagOf(VIDEO_OPTIONS, 'scale', { placeholder: '<WxH>', parse: parseScale }))
  addFlags(command, VIDEO_OPTIONS, NAMES)
  addDetectorOptions(command).action((sources: string[], flags: VideoFlags) => video(sources, flags, signal))
}

const SCORE_THRESHOLD = {
  ...TRACKER_OPTIONS.highScore,
  default: { value: 0.4, shown: `0.4, or ${TRACKING_THRESHOLD} for trackers` },
  help: 'scores must be above it, 0 to 1; person=0.6 for one class, as often as needed',
}
const THRESHOLD_FORM = { placeholder: '<number>', parse: parseThreshold }

async function video(sources: readonly string[], flags: VideoFlags, signal: AbortSignal): Promise<void> {
  if (flags.json && flags.csv) {
    throw new EfficientDetError('ERR_INVALID_OPTION', '--json and --csv both print; choose one.')
  }
  const streams = (await Promise.all(sources.map((source) => streamsOf(source, flags)))).flat()
  if (streams.length > 1 && flags.out !== undefined && !flags.out.includes('{stream}')) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `--out is one file for ${streams.length} streams; put {stream} into its name, such as out/{stream}.mp4.`,
    )
  }
  const zones = flags.zones === undefined ? {} : await readZones(flags.zones)
  const tracks =
    flags.track || [flags.tracker, flags.zones, flags.mqtt, flags.webhook].some((flag) => flag !== undefined)
  await using detector = await loadDetector(flags, { signal })
  if (!flags.json && !flags.csv) {
    printError(titleOf(detector))
    printCircumstances(detector)
  }
  const status = new StatusLines()
  let stats: AnalysisStats
  try {
    stats = await analyse({
      streams,
      detector,
      detect: { ...(tracks && { scoreThreshold: TRACKING_THRESHOLD }), ...flags.scoreThreshold },
      track: tracks && (flags.tracker === undefined ? true : { algorithm: flags.tracker as 'bytetrack' }),
      zones,
      sinks: await sinksOf(flags),
      onStats: (stats) => status.update(stats),
      statsInterval: 0.5,
      signal,
    })
  } finally {
    status.end()
  }
  report(stats, flags)
}

async function streamsOf(source: string, flags: VideoFlags) {
  const options = given(flags, [...NAMES, 'scale'])
  if (!isCamerasFile(source)) return [{ ...options, source }]
  return (await readCameras(source)).map((stream) => ({ ...options, ...stream }))
}

async function sinksOf({
  out,
  json,
  csv: asCsv,
  mqtt: broker,
  webhook: receiver,
  ffmpeg,
}: VideoFlags): Promise<Sink[]> {
  return Promise.all([
    ...(out === undefined ? [] : [annotatedVideo(out, ffmpeg === undefined ? {} : { ffmpeg })]),
    ...(json ? [jsonLines()] : []),
    ...(asCsv ? [csv()] : []),
    ...(broker === undefined ? [] : [mqtt(broker)]),
    ...(receiver === undefined ? [] : [webhook(receiver)]),
  ])
}

function report({ streams, sinks }: AnalysisStats, { json, csv, showStats }: VideoFlags): void {
  const say = json || csv ? printError : print
  if (showStats || (!json && !csv)) say(...statusOf(streams))
  for (const { name, written, lost, error } of sinks) {
    if (name === 'standard output') continue
    say(`→ ${redacted(name)}: ${written} written${lost > 0 ? `, ${lost} lost` : ''}`)
    if (error !== null) printError(`error: ${error.message} [${error.code}]`)
  }
  for (const { name, state, reason } of streams) {
    if (state === 'failed') printError(`error: ${name}: ${reason}`)
  }
  if (sinks.some(({ error }) => error !== null) || streams.some(({ state }) => state === 'failed')) {
    process.exitCode = 1
  }
}
