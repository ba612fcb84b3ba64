import { type Command, Option } from 'commander'
import type { EfficientDet } from '../api/detector.js'
import type { DetectionResult } from '../api/result.js'
import { EfficientDetError } from '../base/errors.js'
import type { DetectOptions } from '../options/detect.js'
import { NMS_KINDS, type NmsKind } from '../postprocess/nms.js'
import { Annotator } from './annotate.js'
import { parseInteger, parseNumber, parseThreshold, type Thresholds } from './arguments.js'
import {
  addDetectorOptions,
  type DetectorFlags,
  loadDetector,
  tellCircumstances,
  titleOf,
} from './detector.js'
import { interruptible } from './interrupt.js'
import { say, tell } from './output.js'
import { listPictures } from './pictures.js'
import { ProgressBar } from './progress.js'
import { defined } from './weights-options.js'

interface DetectFlags extends DetectorFlags {
  readonly score: Thresholds
  readonly iou: number
  readonly max: number
  readonly nms: NmsKind
  readonly classes?: string[]
  readonly json: boolean
  readonly out?: string
}

export function addDetectCommand(program: Command): void {
  const command = program
    .command('detect')
    .description('find objects in pictures')
    .argument('<picture...>', 'files, folders or glob patterns')
    .addOption(
      new Option(
        '--score <number>',
        'scores must be above it, 0 to 1; person=0.6 for one class, as often as needed',
      )
        .argParser(parseThreshold)
        .default({ scoreThreshold: 0.4 }, '0.4'),
    )
    .option('--classes <names...>', 'only these classes, by name or number')
    .option('--iou <number>', 'overlap from which the worse of two boxes is dropped', parseNumber, 0.5)
    .option('--max <n>', 'most detections per picture', parseInteger, 100)
    .addOption(
      new Option('--nms <kind>', 'boxes compete within their class or all with all')
        .choices(NMS_KINDS)
        .default('class'),
    )
    .option('--json', 'one JSON object a line', false)
    .option('--out <folder>', 'write annotated pictures there')
  addDetectorOptions(command).action(detect)
}

async function detect(args: readonly string[], flags: DetectFlags): Promise<void> {
  const pictures = await listPictures(args)
  const annotator = flags.out === undefined ? null : await Annotator.open(flags.out)
  if (annotator?.withText === false) tell('note: this machine has no fonts; boxes are drawn without labels.')
  await interruptible(async (signal) => {
    await using detector = await loadDetector(flags, { signal })
    if (!flags.json) {
      tell(titleOf(detector))
      tellCircumstances(detector)
    }
    const options: DetectOptions = {
      ...flags.score,
      iouThreshold: flags.iou,
      maxDetections: flags.max,
      nms: flags.nms,
      ...defined({ classes: flags.classes }),
      signal,
    }
    await detectAll(detector, pictures, options, annotator, flags.json)
  })
}

/** Detects in one picture after another; reports bad ones and goes on. */
export async function detectAll(
  detector: EfficientDet,
  pictures: readonly string[],
  options: DetectOptions,
  annotator: Annotator | null,
  json: boolean,
): Promise<void> {
  const progress = new ProgressBar(pictures.length)
  const fail = (error: EfficientDetError, picture: string) => {
    process.exitCode = 1
    const { code, message } = error
    if (json) say(JSON.stringify({ source: picture, error: { code, message } }))
    else progress.above(() => tell(`error: ${message} [${code}]`))
    progress.step()
  }
  const onError = (error: EfficientDetError, source: unknown) => fail(error, String(source))
  try {
    for await (const result of detector.stream(pictures, { ...options, onError })) {
      const picture = result.source!
      try {
        const annotated = (await annotator?.write(picture, result)) ?? null
        progress.above(() =>
          say(json ? JSON.stringify({ ...result.toJSON(), annotated }) : table(result, annotated)),
        )
        progress.step()
      } catch (error) {
        if (!(error instanceof EfficientDetError)) throw error
        fail(error, picture)
      }
    }
  } finally {
    progress.end()
  }
}

function table(result: DetectionResult, annotated: string | null): string {
  const { source, width, height, pages, detections, timings, packed } = result
  const count = `${detections.length} detection${detections.length === 1 ? '' : 's'}`
  const widest = Math.max(0, ...detections.map(({ label }) => label.length))
  return [
    `${source}  ${width}×${height}  ${count}  ${timings.total.toFixed(0)} ms`,
    ...detections.map(({ label, score, box }) => {
      const [x1, y1, x2, y2] = box.map((side) => side.toFixed(1).padStart(7))
      return `  ${label.padEnd(widest)}  ${score.toFixed(3)}  ${x1} ${y1} ${x2} ${y2}`
    }),
    ...(packed.capped.detections ? ['  (more were found than --max allows)'] : []),
    ...(packed.capped.candidates
      ? ['  (more class scores passed than entered non-maximum suppression)']
      : []),
    ...(pages > 1 ? [`  (the first of ${pages} pictures in this file)`] : []),
    ...(annotated === null ? [] : [`  → ${annotated}`]),
  ].join('\n')
}
