import { EfficientDetError } from '../base/errors.js'
import { jsonExtent } from '../base/json.js'
import { MAX_CLASSES, MAX_DETECTIONS_LINE, MAX_LINE_VALUES, MAX_TRACKED_DETECTIONS } from '../base/limits.js'
import { LongLine, readLines } from '../base/lines.js'
import { FileProblem, openFile } from '../base/open-file.js'
import { show } from '../base/show.js'
import type { Trackable } from '../tracking/tracker.js'

/** A detection, and how MOT format has it. */
export interface StoredDetection extends Trackable {
  /** x, y, width, height in pixels, and score. */
  readonly fields: readonly string[]
}

export interface StoredFrame {
  /** From 1 in MOT's files. */
  readonly frame: number
  /** Seconds, where the file has them. */
  readonly time: number | null
  readonly detections: readonly StoredDetection[]
}

/** What is wrong with a line, as a predicate. */
class LineProblem extends Error {}

/**
 * Reads detections frame by frame, whatever the length of the file:
 *
 * - MOT's text: frame, −1, x, y, width, height, score, with commas; what follows is ignored.
 * - JSON lines of frames, as `detect --json` and `video --json` write them: `detections`, and `time` and `frame` (or
 *   `index`, from 0) if there are those.
 *
 * A picture that failed is a frame without detections.
 *
 * @throws EfficientDetError ERR_DETECTIONS; the signal's reason
 */
export async function* readDetections(path: string, signal: AbortSignal): AsyncGenerator<StoredFrame> {
  const refuse = (reason: string, cause?: unknown) => {
    throw new EfficientDetError('ERR_DETECTIONS', `${path} ${reason}`, { cause })
  }
  let line = 0
  let open: { frame: number; detections: StoredDetection[] } | null = null
  let last: number | null = null
  let streamName: unknown
  try {
    await using file = await openFile(path)
    for await (const text of readLines(file.handle, MAX_DETECTIONS_LINE, signal)) {
      line++
      if (text.trim() === '') continue
      if (text.trimStart().startsWith('{')) {
        if (open !== null) throw new LineProblem('is JSON, and lines before it are not')
        const { stream, ...frame } = frameOfJson(text, (last ?? 0) + 1)
        if (last === null) streamName = stream
        if (stream !== streamName)
          throw new LineProblem(`is of another stream (${show(stream)}). Give each a file`)
        // The line that tells of the ends of all tracks has the last frame's number.
        if (frame.frame === last && frame.detections.length === 0) continue
        if (last !== null && frame.frame <= last) throw new LineProblem(outOfOrder(frame.frame, last))
        last = frame.frame
        yield frame
        continue
      }
      const { frame, detection } = rowOfMot(text)
      if (open === null && last !== null) throw new LineProblem('is no JSON, and lines before it are')
      if (open !== null && frame < open.frame) throw new LineProblem(outOfOrder(frame, open.frame))
      if (open !== null && frame > open.frame) {
        yield { ...open, time: null }
        open = null
      }
      open ??= { frame, detections: [] }
      if (open.detections.length === MAX_TRACKED_DETECTIONS) {
        throw new LineProblem(`is one more than the ${MAX_TRACKED_DETECTIONS} that a frame may have`)
      }
      open.detections.push(detection)
    }
    if (open !== null) yield { ...open, time: null }
  } catch (cause) {
    if (cause instanceof LineProblem) refuse(`line ${line} ${cause.message}.`, cause)
    if (cause instanceof LongLine) {
      refuse(`line ${cause.line} has more than ${MAX_DETECTIONS_LINE} bytes: these are no detections.`, cause)
    }
    if (cause instanceof FileProblem) refuse(`${cause.message}.`, cause)
    throw cause
  }
}

function outOfOrder(frame: number, last: number): string {
  return `is of frame ${frame}, after one of frame ${last}. Sort the file by its frames (sort -s -n -t, -k1,1)`
}

function rowOfMot(text: string): { frame: number; detection: StoredDetection } {
  const fields = text.split(',', 8).map((field) => field.trim())
  if (fields.length < 7) {
    throw new LineProblem(
      `has ${fields.length} field${fields.length === 1 ? '' : 's'}; expected frame, −1, x, y, width, height, score, ` +
        'with commas, or JSON lines',
    )
  }
  const frame = frameNumber(numberOf('frame', fields[0]))
  const [x, y, width, height, score] = ['x', 'y', 'width', 'height', 'score'].map((name, i) =>
    numberOf(name, fields[i + 2]),
  )
  const detection = detectionOf([x, y, x + width, y + height], score, 0)
  return { frame, detection: { ...detection, fields: fields.slice(2, 7) } }
}

function numberOf(name: string, text: string): number {
  const value = Number(text)
  if (text !== '' && Number.isFinite(value)) return value
  throw new LineProblem(`has ${show(text)} as ${name}; expected a number`)
}

/** @param next the frame's number where the line has none */
function frameOfJson(text: string, next: number): StoredFrame & { readonly stream: unknown } {
  const { values } = jsonExtent(Buffer.from(text))
  if (values > MAX_LINE_VALUES) throw new LineProblem(`has more than ${MAX_LINE_VALUES} values`)
  const { stream, index, time = null, detections = [], ...others } = parsed(text)
  const { frame = typeof index === 'number' ? index + 1 : next } = others
  if (time !== null && !isCoordinate(time)) {
    throw new LineProblem(`has ${show(time)} as time; expected seconds`)
  }
  if (!Array.isArray(detections) || detections.length > MAX_TRACKED_DETECTIONS) {
    throw new LineProblem(
      `has ${show(detections)} as detections; expected a list of at most ${MAX_TRACKED_DETECTIONS}`,
    )
  }
  const read = detections.map((detection) => {
    const { box, score, classId = 0 } = Object(detection)
    const checked = detectionOf(box, score, classId)
    const [x1, y1, x2, y2] = checked.box
    const sides = [x1, y1, x2 - x1, y2 - y1].map((side) => String(Number(side.toFixed(3))))
    return { ...checked, fields: [...sides, String(checked.score)] }
  })
  return { stream, frame: frameNumber(frame), time, detections: read }
}

interface JsonLine {
  readonly stream?: unknown
  readonly frame?: unknown
  /** From 0, as `video --json` counts frames. */
  readonly index?: unknown
  readonly time?: unknown
  readonly detections?: unknown
}

function parsed(text: string): JsonLine {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new LineProblem(`is no JSON (${(cause as Error).message})`)
  }
}

function frameNumber(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_FRAME) return value
  throw new LineProblem(`has ${show(value)} as frame; expected a whole number from 0 to ${MAX_FRAME}`)
}

/** A year of 30 frames a second. */
const MAX_FRAME = 1e9

function detectionOf(box: unknown, score: unknown, classId: unknown): Trackable {
  if (
    !Array.isArray(box) ||
    box.length !== 4 ||
    !box.every(isCoordinate) ||
    box[2] < box[0] ||
    box[3] < box[1]
  ) {
    throw new LineProblem(
      'has a box that is none: its sides must be numbers, its width and height not negative',
    )
  }
  if (typeof score !== 'number' || !(score >= 0 && score <= 1)) {
    throw new LineProblem(`has ${show(score)} as score; expected a number from 0 to 1`)
  }
  if (typeof classId !== 'number' || !Number.isInteger(classId) || classId < 0 || classId >= MAX_CLASSES) {
    throw new LineProblem(`has ${show(classId)} as classId; expected a whole number from 0`)
  }
  const [x1, y1, x2, y2] = box
  return { box: [x1, y1, x2, y2], score, classId }
}

function isCoordinate(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= 1e9
}
