import { type Command, Option } from 'commander'
import { BACKEND_NAMES, type BackendName } from '../backends/backend.js'
import { EfficientDet } from '../efficientdet.js'
import { EfficientDetError } from '../errors.js'
import type { Size } from '../models/levels.js'
import type { DetectOptions } from '../options/detect.js'
import { NMS_KINDS, type NmsKind } from '../postprocess/nms.js'
import type { DetectionResult } from '../result.js'
import { Annotator } from './annotate.js'
import { parseInteger, parseNumber, parseSize } from './arguments.js'
import { readLabels } from './label-file.js'
import { say, tell, tellNotes } from './output.js'
import { listPictures } from './pictures.js'
import { ProgressBar } from './progress.js'
import { addWeightsOptions, defined, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

interface DetectFlags extends WeightsFlags {
  readonly model: string
  readonly backend: BackendName | 'auto'
  readonly score: number
  readonly iou: number
  readonly max: number
  readonly nms: NmsKind
  readonly classes?: string[]
  readonly labels?: string
  readonly size?: Size
  readonly threads?: number
  readonly json: boolean
  readonly out?: string
}

export function addDetectCommand(program: Command): void {
  const command = program
    .command('detect')
    .description('find objects in pictures')
    .argument('<picture...>', 'files, folders or glob patterns')
    .option('--model <name>', 'person, a pulled name such as d0, or a weights file', 'person')
    .addOption(
      new Option('--backend <name>', 'what runs the network')
        .choices(['auto', ...BACKEND_NAMES])
        .default('auto'),
    )
    .option('--score <number>', 'least score, 0 to 1', parseNumber, 0.4)
    .option('--iou <number>', 'overlap from which the worse of two boxes is dropped', parseNumber, 0.5)
    .option('--max <n>', 'most detections per picture', parseInteger, 100)
    .addOption(
      new Option('--nms <kind>', 'boxes compete within their class or all with all')
        .choices(NMS_KINDS)
        .default('class'),
    )
    .option('--classes <names...>', 'only these classes, by name')
    .option('--labels <file>', 'one class name per line')
    .option('--size <HxW>', "height and width of the network's input (default: the model's own)", parseSize)
    .option('--threads <n>', 'threads of computation on the CPU', parseInteger)
    .option('--json', 'one JSON object a line', false)
    .option('--out <folder>', 'write annotated pictures there')
  addWeightsOptions(command).action(detect)
}

async function detect(args: readonly string[], flags: DetectFlags): Promise<void> {
  const pictures = await listPictures(args)
  const annotator = flags.out === undefined ? null : await Annotator.open(flags.out)
  if (annotator?.withText === false) tell('note: this machine has no fonts; boxes are drawn without labels.')
  await using detector = await EfficientDet.load(flags.model, {
    backend: flags.backend,
    ...weightsOptionsOf(flags),
    ...defined({
      size: flags.size,
      threads: flags.threads,
      labels: flags.labels === undefined ? undefined : await readLabels(flags.labels),
    }),
  })
  if (!flags.json) {
    tellNotes(detector.model.notes)
    const { height, width } = detector.model.size
    tell(
      `EfficientDet-${detector.model.variant} on ${detector.backend.description}, input ${height} high × ${width} wide`,
    )
    for (const { name, reason } of detector.backend.unavailable) tell(`${name} does not run: ${reason}`)
  }
  const options: DetectOptions = {
    scoreThreshold: flags.score,
    iouThreshold: flags.iou,
    maxDetections: flags.max,
    nms: flags.nms,
    ...defined({ classes: flags.classes }),
  }
  await detectAll(detector, pictures, options, annotator, flags.json)
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
  progress.end()
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
