import { type Command, Option } from 'commander'
import { TRACKER_OPTIONS, type TrackerName } from '../options/tracker.js'
import { Tracker } from '../tracking/tracker.js'
import { parseNumber, parsePath } from './arguments.js'
import { readDetections } from './detections-file.js'
import { drained, print } from './output.js'

interface TrackFlags {
  readonly tracker: TrackerName
  readonly fps: number
}

const { algorithm, frameRate, lostTime } = TRACKER_OPTIONS

export function addTrackCommand(program: Command, signal: AbortSignal): void {
  program
    .command('track')
    .description('give stored detections of a video ids that stay, and print rows in MOT format')
    .argument(
      '<file>',
      'MOT text (frame, -1, x, y, width, height, score) or JSON lines of "detect" or "video"',
      parsePath,
    )
    .addOption(
      new Option('--tracker <name>', algorithm.help)
        .choices(algorithm.choices)
        .default(algorithm.default.value),
    )
    .option('--fps <number>', frameRate.help, parseNumber, frameRate.default.value)
    .action((file: string, flags: TrackFlags) => track(file, flags, signal))
}

async function track(file: string, { tracker: name, fps }: TrackFlags, signal: AbortSignal): Promise<void> {
  const tracker = new Tracker({ algorithm: name, frameRate: fps })
  // After so many frames without detections there are no tracks.
  const longest = Math.ceil(lostTime.default.value * fps) + 2
  let last: number | null = null
  for await (const { frame, time, detections } of readDetections(file, signal)) {
    // A frame without rows is one without detections.
    for (
      let empty = Math.max((last ?? frame) + 1, frame - longest);
      time === null && empty < frame;
      empty++
    ) {
      tracker.update([], empty / fps)
    }
    last = frame
    const tracked = tracker.update(detections, time ?? frame / fps).detections
    print(
      ...tracked.map(({ trackId, fields: [x, y, width, height, score] }) => {
        return [frame, trackId ?? -1, x, y, width, height, score, -1, -1, -1].join(',')
      }),
    )
    await drained(signal)
  }
}
