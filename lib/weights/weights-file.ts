import { readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'
import { readInto } from '../base/open-file.js'
import { INCOMPLETE } from './advice.js'

/** An open file of weights and its size when it was opened, against which every claim in it is checked. */
export interface WeightsFile {
  readonly path: string
  readonly handle: FileHandle
  /** Bytes. */
  readonly size: number
}

/** The error for a file that is damaged or of the wrong kind; `problem` is a sentence without the path. */
export function weightsError(file: { readonly path: string }, problem: string, cause?: unknown) {
  return new EfficientDetError('ERR_WEIGHTS', `${beginning(file)}${problem}`, { cause })
}

/** What messages about a file begin with. */
export function beginning({ path }: { readonly path: string }): string {
  return `${abridged(path, 500)}: `
}

/**
 * Reads exactly `length` bytes into memory of their own, so that a view of any element type fits.
 *
 * @throws ERR_WEIGHTS when the file has no such bytes (any more) or was closed.
 */
export async function readBytes(file: WeightsFile, position: number, length: number): Promise<Uint8Array> {
  // The number of a closed file may already be that of another one.
  if (file.handle.fd < 0) throw weightsError(file, 'was closed; its tensors must be read before close().')
  if (position < 0 || length < 0 || position + length > file.size) {
    throw weightsError(
      file,
      `bytes ${position} to ${position + length} are needed, but the file has ${file.size}. ${INCOMPLETE}`,
    )
  }
  const bytes = new Uint8Array(length)
  const filled = await readInto(file.handle, bytes, position).catch((cause: unknown) => {
    throw weightsError(file, `cannot be read (${String(cause)}).`, cause)
  })
  if (filled < length) throw weightsError(file, 'became shorter while it was being read.')
  return bytes
}

/** A sequential reader with a fixed end, for formats whose length shows only while they are read. */
export interface ByteReader {
  /** Offset of the next byte from the start of the file. */
  readonly position: number
  readonly end: number
  /** The next bytes, valid until the next call; undefined when fewer are left. */
  take(length: number): Uint8Array | undefined
  /** The bytes before the next line feed, which is skipped; undefined when there is none among `longest` and one. */
  takeLine(longest: number): Uint8Array | undefined
}

/**
 * Reads a part of a file through a small window, synchronously: awaiting each one-byte instruction of a pickle would
 * cost far more than these few reads.
 */
export function fileReader(file: WeightsFile, start: number, end: number): ByteReader {
  return windowedReader(start, end, (position, length) => {
    const bytes = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      const count = readSync(file.handle.fd, bytes, filled, length - filled, position + filled)
      if (count === 0) throw weightsError(file, 'became shorter while it was being read.')
      filled += count
    }
    return bytes
  })
}

const WINDOW = 64 * 1024

/** Reads bytes from `start` to `end` through a small window, which `read` fills. */
export function windowedReader(
  start: number,
  end: number,
  read: (position: number, length: number) => Uint8Array,
): ByteReader {
  let window: Uint8Array = new Uint8Array()
  let windowStart = start
  let offset = 0

  /** Makes at least `length` bytes available after `offset`; false when fewer are left. */
  function fill(length: number): boolean {
    if (offset + length <= window.length) return true
    const position = windowStart + offset
    if (length > end - position) return false
    window = read(position, Math.min(Math.max(length, WINDOW), end - position))
    windowStart = position
    offset = 0
    return true
  }

  return {
    get position() {
      return windowStart + offset
    },
    end,
    take(length) {
      if (!fill(length)) return undefined
      offset += length
      return window.subarray(offset - length, offset)
    },
    takeLine(longest) {
      // What the window holds comes first: filling it anew for every short line would read all many times.
      for (let length = Math.max(1, window.length - offset); ; length *= 2) {
        const wanted = Math.min(length, longest + 1, end - windowStart - offset)
        fill(wanted)
        const feed = window.subarray(offset, offset + wanted).indexOf(0x0a)
        if (feed >= 0) {
          offset += feed + 1
          return window.subarray(offset - feed - 1, offset - 1)
        }
        if (wanted < length) return undefined
      }
    },
  }
}
