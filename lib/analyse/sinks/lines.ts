import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type StagedFile, stageFile } from '../../base/atomic-write.js'
import { EfficientDetError } from '../../base/errors.js'
import { safeJson } from '../../base/listing.js'
import { checkPath } from '../../options/checks.js'
import type { FrameReport, Sink, SinkStats } from './sink.js'

/** Bytes that may wait for a file or reader before a live stream's frames are lost. */
const MAX_WAITING = 2 ** 20

/** Makes lines of a frame's results. */
interface Writing {
  readonly head: string
  readonly lines: (report: FrameReport) => string
}

/**
 * Text of all streams, to a file that is written aside until it is whole, or to standard output.
 *
 * @param path of the file, or `-`
 */
function textSink(path: string, { head, lines }: Writing): Sink {
  checkPath('path', path)
  let written = 0
  let lost = 0
  let error: EfficientDetError | null = null
  let output: Writable | null = null
  let closing: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    closing = resolve
  })
  const fail = (cause: Error) => {
    error ??=
      cause instanceof EfficientDetError
        ? cause
        : new EfficientDetError('ERR_OUTPUT', `${path} cannot be written (${cause.message}).`, { cause })
  }
  const file = path === '-' ? toStdout() : stageFile(path, toFile)
  file.catch(fail)

  async function toStdout(): Promise<void> {
    output = process.stdout
    if (head !== '') output.write(head)
    await closed
  }

  async function toFile({ partial }: StagedFile): Promise<void> {
    const stream = createWriteStream(partial, { flags: 'wx' })
    stream.on('error', fail)
    output = stream
    if (head !== '') stream.write(head)
    await closed
    stream.end()
    await finished(stream)
  }

  return {
    draws: false,
    write(report) {
      const isFull = report.live && output !== null && output.writableLength > MAX_WAITING
      if (error !== null || isFull) {
        lost++
        return null
      }
      const text = lines(report)
      written++
      if (output === null) return null
      return output.write(text) ? null : once(output, 'drain').then(() => {}, fail)
    },
    async end() {},
    async close() {
      closing()
      await file.catch(fail)
    },
    get stats(): SinkStats {
      return { name: path === '-' ? 'standard output' : path, written, lost, error }
    },
  }
}

/** One JSON object a frame: `stream`, `index`, `time`, `pts`, `detections`, `events`, `counts`. */
export function jsonLines(path = '-'): Sink {
  return textSink(path, {
    head: '',
    lines: ({ stream, index, time, pts, detections, events, counts }) =>
      `${safeJson({ stream, index, time, pts, detections, events, counts })}\n`,
  })
}

/** One row a detection: stream, frame, time, track, label, score, x1, y1, x2, y2. */
export function csv(path = '-'): Sink {
  return textSink(path, {
    head: 'stream,frame,time,track,label,score,x1,y1,x2,y2\n',
    lines: ({ stream, index, time, detections }) =>
      detections
        .map(({ trackId, label, score, box }) => {
          const numbers = [score.toFixed(4), ...box.map((side) => side.toFixed(2))]
          return `${[cell(stream), index, time.toFixed(4), trackId ?? '', cell(label), ...numbers].join(',')}\n`
        })
        .join(''),
  })
}

/**
 * MOT Challenge's text, one row a detection with a track: frame (from 1), id (from 1), x, y, width, height, score,
 * −1, −1, −1.
 *
 * It has no place for the stream's name.
 */
export function mot(path = '-'): Sink {
  return textSink(path, {
    head: '',
    lines: ({ index, detections }) =>
      detections
        .flatMap(({ trackId, score, box: [x1, y1, x2, y2] }) => {
          if (trackId === undefined || trackId === null) return []
          const box = [x1, y1, x2 - x1, y2 - y1].map((side) => side.toFixed(2))
          return `${[index + 1, trackId + 1, ...box, score.toFixed(4), -1, -1, -1].join(',')}\n`
        })
        .join(''),
  })
}

/** A text as a cell, which spreadsheets take for no formula. */
function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
