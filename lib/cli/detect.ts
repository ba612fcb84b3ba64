import { File } from 'node:buffer'
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import type { EfficientDet } from '../api/detector.js'
import type { DetectionResult } from '../api/result.js'
import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'
import { nameOf, readBytes } from '../image/source.js'
import type { DetectOptions } from '../options/detect.js'
import { LOAD_OPTIONS } from '../options/load.js'
import { Annotator } from './annotate.js'
import { parsePath, parsePaths } from './arguments.js'
import { addDetectOptions, type DetectOptionsFlags, detectOptionsOf } from './detect-options.js'
import {
  addDetectorOptions,
  type DetectorFlags,
  loadDetector,
  printCircumstances,
  titleOf,
} from './detector.js'
import { listImages, STDIN } from './image-files.js'
import { print, printError, printJson, printNotes } from './output.js'
import { ProgressBar } from './progress.js'
import { formatTable } from './table.js'

interface DetectFlags extends DetectorFlags, DetectOptionsFlags {
  readonly json: boolean
  readonly out?: string
}

export function addDetectCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('detect')
    .description('find objects in pictures')
    .argument('<picture...>', 'files, folders or glob patterns; - is standard input', parsePaths)
    .option('--json', 'one JSON object a line', false)
    .option('--out <folder>', 'write annotated pictures there', parsePath)
  addDetectOptions(command)
  addDetectorOptions(command).action((args: string[], flags: DetectFlags) => detect(args, flags, signal))
}

async function detect(args: readonly string[], flags: DetectFlags, signal: AbortSignal): Promise<void> {
  const { images, notes } = await listImages(args, signal)
  printNotes(notes)
  const annotator = flags.out === undefined ? null : await Annotator.open(flags.out, images)
  printNotes(annotator?.notes ?? [])
  await using detector = await loadDetector(flags, { signal })
  if (!flags.json) {
    printError(titleOf(detector))
    printCircumstances(detector)
  }
  const options = { ...detectOptionsOf(flags), signal }
  await detectAll(detector, images, options, annotator, flags.json)
}

/** Detects in one image after another; reports bad ones and goes on. */
export async function detectAll(
  detector: EfficientDet,
  images: readonly string[],
  options: DetectOptions,
  annotator: Annotator | null,
  json: boolean,
): Promise<void> {
  const bar = new ProgressBar('{value}/{total} pictures, {eta_formatted} left')
  let done = 0
  const step = () => {
    if (images.length > 1) bar.update(++done, images.length)
  }
  const fail = (error: EfficientDetError, image: string) => {
    process.exitCode = 1
    const { code, message } = error
    if (json) printJson({ source: nameOf(image), error: { code, message } })
    else bar.above(() => printError(`error: ${message} [${code}]`))
    step()
  }
  try {
    const held = annotator === null ? new Map<string, File>() : await holdNonFiles(images, options.signal)
    const items = images.map((image) => ({ source: held.get(image) ?? image, context: image }))
    for await (const { context: image, ...result } of detector.stream(items, {
      ...options,
      onError: 'yield',
    })) {
      if ('error' in result) {
        fail(result.error, image)
        continue
      }
      try {
        const annotated = (await annotator?.write(held.get(image) ?? image, result, options.signal)) ?? null
        bar.above(() => (json ? printJson({ ...result, annotated }) : print(...described(result, annotated))))
        step()
      } catch (error) {
        if (!(error instanceof EfficientDetError)) throw error
        fail(error, image)
      }
    }
  } finally {
    bar.end()
  }
}

/**
 * Reads what is no file, such as standard input, once, to be looked at and drawn into. What cannot be read is left
 * for the detector to report.
 */
async function holdNonFiles(
  images: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, File>> {
  const held = new Map<string, File>()
  for (const image of images) {
    const isFile = image !== STDIN && (await stat(image).catch(() => null)) !== null
    if (isFile) continue
    const name = nameOf(image) ?? image
    try {
      const bytes = await readBytes(image, name, { maxPixels: LOAD_OPTIONS.maxPixels.default.value, signal })
      held.set(image, new File([Buffer.from(bytes)], name))
    } catch (error) {
      signal?.throwIfAborted()
      // Standard input has no second try.
      if (image === STDIN) throw error
    }
  }
  return held
}

/** Letters of a label in a table. */
const MAX_LABEL = 60

function described(result: DetectionResult, annotated: string | null): string[] {
  const { source, width, height, pages, detections, timings, capped, warnings } = result
  const count = `${detections.length} detection${detections.length === 1 ? '' : 's'}`
  const rows = detections.map(({ label, score, box }) => [
    abridged(label, MAX_LABEL),
    score.toFixed(3),
    ...box.map((side) => side.toFixed(1)),
  ])
  const table = formatTable(rows, ['left', 'right', 'right', 'right', 'right', 'right'])
  return [
    `${source}  ${width}×${height}  ${count}  ${timings.total.toFixed(0)} ms`,
    ...table.map((line) => `  ${line}`),
    ...(capped.maxDetections ? ['  (more were found than --max-detections allows)'] : []),
    ...(capped.preNmsTopK ? ['  (more class scores passed than entered non-maximum suppression)'] : []),
    ...(pages > 1 ? [`  (the first of ${pages} pictures in this file)`] : []),
    ...warnings.map((warning) => `  (${warning})`),
    ...(annotated === null ? [] : [`  → ${annotated}`]),
  ]
}
