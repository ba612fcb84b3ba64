import type { Readable } from 'node:stream'
import { loadAddonFile } from '../base/addon-file.js'
import { StreamReader } from './stream-reader.js'

/** How a pipe ended, in the addon's words. */
export type ReaderState = readonly [end: 0 | 1 | 2, systemError: number, rest: number, drops: number]
export const AT_END = { open: 0, endOfFile: 1, error: 2 } as const

/**
 * Reads frames of one size from a pipe into memory that is lent to it, off the event loop where the addon is there.
 *
 * It waits for memory, unless the newest frame wins: then the oldest that nobody took gives its own.
 */
export interface FrameReader {
  lend(data: Uint8Array): void
  /** The next frame, or the newest where that wins, its number, and for how many milliseconds it has been there. */
  take(): readonly [data: Uint8Array, index: number, age: number] | null
  /** Null once it is closed. */
  state(): ReaderState | null
  close(): void
}

interface NativeReading {
  openPipe(): [readEnd: number, writeEnd: number]
  closePipe(end: number): void
  readonly FrameReader: new (
    fd: number,
    frameBytes: number,
    newestWins: boolean,
    onChange: () => void,
  ) => FrameReader
}

/** A pipe for a program's standard output, and what reads frames from it. */
export interface FramePipe {
  /** For `spawn`. */
  readonly stdout: number | 'pipe'
  /** To be called when the program has been started, or could not be. @param stdout its, where it is a stream */
  started(stdout: Readable | null): void
  /** @param onChange called when there is a frame, and at the end */
  read(frameBytes: number, newestWins: boolean, onChange: () => void): FrameReader
  /** To be called when nothing was read and nothing will be. */
  drop(): void
}

/** @param plain whether to do without the addon, for tests */
export function openFramePipe(plain = false): FramePipe {
  const native = plain ? null : loadNative()
  return native === null ? streamPipe() : nativePipe(native)
}

function loadNative(): NativeReading | null {
  try {
    return loadAddonFile() as NativeReading
  } catch {
    return null
  }
}

function nativePipe({ openPipe, closePipe, FrameReader }: NativeReading): FramePipe {
  const [readEnd, writeEnd] = openPipe()
  return {
    stdout: writeEnd,
    // The end of the pipe is the program's alone, or it would never be heard of.
    started: () => closePipe(writeEnd),
    read: (frameBytes, newestWins, onChange) => new FrameReader(readEnd, frameBytes, newestWins, onChange),
    drop: () => closePipe(readEnd),
  }
}

function streamPipe(): FramePipe {
  let stream: Readable
  return {
    stdout: 'pipe',
    started: (stdout) => {
      stream = stdout!
    },
    read: (frameBytes, newestWins, onChange) => new StreamReader(stream, frameBytes, newestWins, onChange),
    drop: () => stream.destroy(),
  }
}
