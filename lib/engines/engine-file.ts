import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { extname } from 'node:path'
import { type Links, writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { FileProblem, type OpenFile, type OpenOptions, openFile, readInto } from '../base/open-file.js'
import { engineError } from './engine-error.js'
import {
  AGAIN,
  decodeHeader,
  decodePreamble,
  type EngineLayout,
  encodeHead,
  isEngine,
  PREAMBLE_BYTES,
} from './file-format.js'
import type { EngineHeader } from './header.js'

export interface EngineFile {
  readonly header: EngineHeader
  readonly plan: Uint8Array
}

/** An engine file that was read, and its plan's checksum, hexadecimal. */
export interface CheckedEngine extends EngineFile {
  readonly planSha256: string
}

/**
 * Whether a path asks for an engine. Its name says so and not its content: an engine is code, and may lie where weights
 * were expected.
 */
export function isEnginePath(path: string): boolean {
  return extname(path).toLowerCase() === '.engine'
}

/** Whether a file is an engine of ours by its first bytes; a file that cannot be read is none. */
export async function isEngineFile(path: string): Promise<boolean> {
  try {
    await using file = await openFile(path)
    const head = Buffer.alloc(PREAMBLE_BYTES)
    return isEngine(head.subarray(0, await readInto(file.handle, head, 0)))
  } catch {
    return false
  }
}

/** Reads the header of an engine file and checks it against its checksum and the file's length. @throws as readEngine */
export async function readEngineHeader(path: string): Promise<EngineHeader> {
  return withEngine(path, {}, async (_, { header }) => header)
}

/**
 * Reads an engine file and checks all of it.
 *
 * @param check called with the header before the plan is read
 * @throws EfficientDetError ERR_ENGINE with the fault as `details.fault`, ERR_MODEL_NOT_FOUND; the signal's reason
 */
export async function readEngine(
  path: string,
  check: (header: EngineHeader) => void = () => {},
  signal?: AbortSignal,
  options: OpenOptions = {},
): Promise<CheckedEngine> {
  return withEngine(path, options, async (handle, { header, layout }) => {
    check(header)
    const plan = Buffer.allocUnsafeSlow(layout.planBytes)
    const hash = createHash('sha256')
    const start = PREAMBLE_BYTES + layout.headerBytes
    // In pieces: hashing a large plan at once would hold up the event loop for a second.
    for (let at = 0; at < plan.length; ) {
      signal?.throwIfAborted()
      const piece = plan.subarray(at, at + PIECE)
      await fill(path, handle, piece, start + at)
      hash.update(piece)
      at += piece.length
    }
    if (!hash.digest().equals(layout.planSha256)) {
      throw engineError(path, 'damaged', `has a plan that does not match its checksum. ${AGAIN}`)
    }
    return { header, plan, planSha256: layout.planSha256.toString('hex') }
  })
}

/**
 * Writes an engine file whole or not at all.
 *
 * @returns the plan's SHA-256, hexadecimal
 * @throws EfficientDetError ERR_OUTPUT; the signal's reason
 */
export async function writeEngine(
  path: string,
  { header, plan }: EngineFile,
  signal?: AbortSignal,
  links: Links = 'keep',
): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < plan.length; at += PIECE) {
    signal?.throwIfAborted()
    hash.update(plan.subarray(at, at + PIECE))
    await new Promise(setImmediate)
  }
  const planSha256 = hash.digest()
  await writeFileAtomically(path, [encodeHead(header, plan.length, planSha256), plan], signal, links)
  return planSha256.toString('hex')
}

/** Bytes that are hashed at a time: about a millisecond. */
const PIECE = 1 << 20

async function withEngine<T>(
  path: string,
  options: OpenOptions,
  use: (handle: FileHandle, parts: { header: EngineHeader; layout: EngineLayout }) => Promise<T>,
): Promise<T> {
  await using file = await open(path, options)
  const { handle, size } = file
  const preamble = Buffer.alloc(Math.min(size, PREAMBLE_BYTES))
  await fill(path, handle, preamble, 0)
  const layout = decodePreamble(path, preamble, size)
  const json = Buffer.alloc(layout.headerBytes)
  await fill(path, handle, json, PREAMBLE_BYTES)
  return await use(handle, { header: decodeHeader(path, preamble, json, layout), layout })
}

async function open(path: string, options: OpenOptions): Promise<OpenFile> {
  try {
    return await openFile(path, options)
  } catch (cause) {
    if (!(cause instanceof FileProblem)) throw cause
    if (cause.obstacle !== 'missing' && cause.obstacle !== 'system') {
      throw engineError(path, 'foreign', `${cause.message}, no engine file that can be used.`, cause)
    }
    throw new EfficientDetError('ERR_MODEL_NOT_FOUND', `The engine ${path} ${cause.message}.`, { cause })
  }
}

async function fill(path: string, handle: FileHandle, target: Buffer, position: number): Promise<void> {
  const filled = await readInto(handle, target, position).catch((cause: Error) => {
    throw engineError(path, 'damaged', `cannot be read (${cause.message}).`, cause)
  })
  if (filled < target.length) throw engineError(path, 'truncated', 'became shorter while it was read.')
}
