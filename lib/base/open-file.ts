import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** A regular file that is open to be read. */
export interface OpenFile extends AsyncDisposable {
  readonly handle: FileHandle
  /** Bytes when it was opened. */
  readonly size: number
}

/** Why a file is not opened. */
export type Obstacle =
  | 'missing'
  | 'folder'
  /** A device, pipe or socket. */
  | 'special'
  /** A link, where none are followed. */
  | 'link'
  /** Another user's, where only one's own are read. */
  | 'not-ours'
  /** Longer than what is read. */
  | 'long'
  | 'system'

/** What stands in the way of a file; its message is a predicate, such as "is a folder". */
export class FileProblem extends Error {
  readonly obstacle: Obstacle

  constructor(obstacle: Obstacle, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.obstacle = obstacle
  }
}

export interface OpenOptions {
  /** For folders in which others might write: follows no link, and takes only what is this user's or root's. */
  readonly ours?: boolean
}

/** Opening a pipe would wait for its writer, and hold a thread; Windows has neither the flags nor the wait. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

/**
 * Opens a file that a stranger may have put there, without waiting. All is told by its handle, so that nobody can put
 * another in its place meanwhile.
 *
 * @throws FileProblem
 */
export async function openFile(path: string, { ours = false }: OpenOptions = {}): Promise<OpenFile> {
  const handle = await openHandle(path, ours)
  try {
    const stats = await handle.stat()
    if (stats.isDirectory()) throw new FileProblem('folder', 'is a folder')
    if (!stats.isFile()) throw new FileProblem('special', 'is a device or pipe')
    if (ours && !isOurs(stats.uid)) {
      throw new FileProblem('not-ours', `belongs to another user (number ${stats.uid})`)
    }
    return { handle, size: stats.size, [Symbol.asyncDispose]: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw error instanceof FileProblem ? error : systemProblem(error)
  }
}

/**
 * Reads a whole file from outside that is small.
 *
 * @throws FileProblem
 */
export async function readSmallFile(
  path: string,
  maxBytes: number,
  options: OpenOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  await using file = await openFile(path, options)
  if (file.size > maxBytes) {
    throw new FileProblem('long', `has ${file.size} bytes, and ${maxBytes} are the most`)
  }
  const bytes = new Uint8Array(file.size)
  return bytes.subarray(0, await readInto(file.handle, bytes, 0).catch(throwSystemProblem))
}

/** Bytes that are read at a time; the system refuses 2 GiB at once, and signals are heard between. */
const PIECE = 2 ** 26

/**
 * Fills memory from a file, whatever its length is by now.
 *
 * @returns how many bytes were there
 * @throws the system's error; the signal's reason
 */
export async function readInto(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
  signal?: AbortSignal,
): Promise<number> {
  let filled = 0
  while (filled < target.length) {
    signal?.throwIfAborted()
    const length = Math.min(target.length - filled, PIECE)
    const { bytesRead } = await handle.read(target, filled, length, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

async function openHandle(path: string, ours: boolean): Promise<FileHandle> {
  try {
    return await open(path, READ_WITHOUT_WAITING | (ours ? (constants.O_NOFOLLOW ?? 0) : 0))
  } catch (cause) {
    if (ours && (cause as NodeJS.ErrnoException).code === 'ELOOP') {
      throw new FileProblem('link', 'is a link, which is not followed there', cause)
    }
    throw systemProblem(cause)
  }
}

function isOurs(uid: number): boolean {
  return process.geteuid === undefined || uid === 0 || uid === process.geteuid()
}

function systemProblem(cause: unknown): FileProblem {
  const { code, message } = cause as NodeJS.ErrnoException
  const isMissing = code === 'ENOENT' || code === 'ENOTDIR'
  return new FileProblem(isMissing ? 'missing' : 'system', `cannot be read (${message})`, cause)
}

function throwSystemProblem(cause: unknown): never {
  throw systemProblem(cause)
}
