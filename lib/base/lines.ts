import type { FileHandle } from 'node:fs/promises'

/** A line that is longer than any that was expected. */
export class LongLine extends Error {
  /** Its number, from 1. */
  readonly line: number

  constructor(line: number) {
    super(`line ${line} is too long`)
    this.line = line
  }
}

const PIECE = 2 ** 16
const LINE_END = 0x0a

/**
 * Reads a file from outside line by line, without their ends (`\n`, `\r\n`). It holds no more than a line and 64 kB.
 *
 * What is no UTF-8 becomes U+FFFD.
 *
 * @param maxBytes of a line
 * @throws LongLine; the system's error; the signal's reason
 */
export async function* readLines(
  handle: FileHandle,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield* linesOf(piecesOf(handle, signal), maxBytes)
}

async function* piecesOf(handle: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (;;) {
    signal.throwIfAborted()
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

/** Likewise, of whatever gives pieces of a text. */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const textOf = (bytes: Uint8Array) => decoder.decode(bytes).replace(/\r$/, '')
  let parts: Uint8Array[] = []
  let begun = 0
  let line = 1
  for await (const piece of pieces) {
    let start = 0
    for (;;) {
      const found = piece.indexOf(LINE_END, start)
      const end = found < 0 ? piece.length : found
      parts.push(piece.subarray(start, end))
      begun += end - start
      if (begun > maxBytes) throw new LongLine(line)
      if (found < 0) break
      yield textOf(Buffer.concat(parts))
      parts = []
      begun = 0
      line++
      start = found + 1
    }
  }
  if (begun > 0) yield textOf(Buffer.concat(parts))
}
