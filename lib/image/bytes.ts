import type { Readable } from 'node:stream'
import type { ReadableStreamDefaultReader } from 'node:stream/web'
import { isAnyArrayBuffer } from 'node:util/types'
import { EfficientDetError } from '../base/errors.js'
import { FileProblem, openFile, readInto } from '../base/open-file.js'
import { onAbort } from '../threads/abort.js'
import { Turns } from '../threads/turns.js'
import { checkFormat, HEAD_BYTES } from './file-format.js'
import { onThread } from './pool.js'
import { checkBytes, imageError, reasonOf } from './refusals.js'

export interface BytesOptions {
  /** Bounds the encoded bytes too (see `checkBytes`). */
  readonly maxPixels: number
  readonly signal?: AbortSignal | undefined
  /** Called when it is known how many bytes a file has, and waited for before they are read. */
  readonly hold?: (bytes: number) => Promise<void>
}

/**
 * Reads the head of a file first, and all of it only where that is of a picture.
 *
 * @throws EfficientDetError ERR_IMAGE for what is no regular file, ERR_IMAGE_TOO_LARGE
 */
export async function readFile(path: string, name: string, options: BytesOptions): Promise<Uint8Array> {
  const { maxPixels, signal, hold } = options
  try {
    await using file = await onThread(signal, () => openFile(path))
    const { handle, size } = file
    if (size === 0) throw imageError(name, 'is empty. The download or copy did not finish.')
    const head = new Uint8Array(Math.min(size, HEAD_BYTES))
    await onThread(signal, () => readInto(handle, head, 0))
    checkFormat(name, head)
    checkBytes(name, size, maxPixels)
    await hold?.(size)
    const bytes = new Uint8Array(size)
    return bytes.subarray(0, await onThread(signal, () => readInto(handle, bytes, 0, signal)))
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof EfficientDetError) throw error
    throw imageError(name, whyNotRead(path, error), error)
  }
}

function whyNotRead(path: string, error: unknown): string {
  const obstacle = error instanceof FileProblem ? error.obstacle : 'system'
  // Longer text than a path may be is none for the system.
  if (obstacle === 'system' && isBase64(path)) return missingFile(path)
  switch (obstacle) {
    case 'missing':
      return missingFile(path)
    case 'folder':
      return 'is a folder, not a picture.'
    case 'special':
      return 'is a device or pipe, not a file.'
    default:
      return error instanceof FileProblem ? `${reasonOf(error)}.` : `cannot be read (${reasonOf(error)}).`
  }
}

/** How base64 of JPEG, PNG, GIF and WebP begins. */
const BASE64 = /^(\/9j\/|iVBORw0KGgo|R0lGOD|UklGR)/

function isBase64(path: string): boolean {
  return BASE64.test(path) && path.length > 40
}

function missingFile(path: string): string {
  return isBase64(path)
    ? "there is no such file. If this is base64, give Buffer.from(text, 'base64')."
    : 'there is no such file.'
}

/** @throws EfficientDetError ERR_IMAGE for a URL without a comma, ERR_IMAGE_TOO_LARGE */
export function readDataUrl(url: string, name: string, { maxPixels }: BytesOptions): Uint8Array {
  const comma = url.indexOf(',')
  if (comma < 0) throw imageError(name, 'is no data URL: expected data:image/…;base64,… with a comma.')
  const data = url.slice(comma + 1)
  const base64 = /;\s*base64\s*$/i.test(url.slice(0, comma))
  checkBytes(name, base64 ? Math.floor(data.length * 0.75) : data.length, maxPixels)
  const bytes = unescaped(Buffer.from(data, 'latin1'))
  return base64 ? Buffer.from(bytes.toString('latin1'), 'base64') : bytes
}

/** Puts bytes in place of `%41` and the like: replacing in the text would take a hundred times as long. */
function unescaped(text: Buffer): Buffer {
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const escaped = text[at] === 0x25 /* % */ ? 16 * hexDigit(text[at + 1]) + hexDigit(text[at + 2]) : -1
    text[length++] = escaped < 0 ? text[at] : escaped
    if (escaped >= 0) at += 2
  }
  return text.subarray(0, length)
}

/** The value of a digit's letter; far below zero for what is none. */
function hexDigit(letter = 0): number {
  if (letter >= 0x30 && letter <= 0x39) return letter - 0x30
  const lower = letter | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1000
}

/** A `Blob` or `File`, of Node or of others. */
export interface BlobLike {
  readonly size: number
  readonly type: string
  arrayBuffer(): Promise<ArrayBuffer>
  stream(): unknown
}

/** @throws EfficientDetError ERR_IMAGE, ERR_IMAGE_TOO_LARGE */
export async function readBlob(
  blob: BlobLike,
  name: string,
  { maxPixels, hold }: BytesOptions,
): Promise<Uint8Array> {
  checkBytes(name, blob.size, maxPixels)
  await hold?.(blob.size)
  try {
    return new Uint8Array(await blob.arrayBuffer())
  } catch (error) {
    throw imageError(name, `cannot be read (${reasonOf(error)}).`, error)
  }
}

/** A web stream of a file's bytes. */
export interface WebStream {
  readonly locked: boolean
  cancel(reason?: unknown): Promise<void>
  getReader(): unknown
}

/** What `fetch` resolves to. */
export interface ResponseLike {
  readonly ok: boolean
  readonly status: number
  readonly statusText: string
  readonly url: string
  readonly bodyUsed: boolean
  readonly body: WebStream | null
}

/** @throws EfficientDetError ERR_IMAGE for a status other than 200 to 299 or a body that was read, ERR_IMAGE_TOO_LARGE */
export async function readResponse(
  response: ResponseLike,
  name: string,
  options: BytesOptions,
): Promise<Uint8Array> {
  const { ok, status, statusText, body, bodyUsed } = response
  if (!ok) throw imageError(name, `the server answered ${`${status} ${statusText}`.trim()}.`)
  if (bodyUsed) throw imageError(name, 'was read already: a body can be read once.')
  return body === null ? new Uint8Array(0) : readStream(body, name, options)
}

/**
 * Reads a stream to its end and uses it up; it is destroyed when the signal aborts or it is too long.
 *
 * @throws EfficientDetError ERR_IMAGE for a stream that breaks off, was read already or gives no bytes,
 *   ERR_IMAGE_TOO_LARGE
 */
export async function readStream(
  source: Readable | WebStream,
  name: string,
  { maxPixels, signal }: BytesOptions,
): Promise<Uint8Array> {
  try {
    const pages = new Pages()
    const turns = new Turns()
    let isKnown = false
    for await (const chunk of 'getReader' in source
      ? webChunks(source, name, signal)
      : nodeChunks(source, name, signal)) {
      const part = partOf(chunk)
      if (part === null) {
        const kind = chunk === null ? 'null' : typeof chunk
        throw imageError(
          name,
          `gives values of type ${kind}; expected the bytes of a file, without an encoding.`,
        )
      }
      checkBytes(name, pages.length + part.length, maxPixels)
      pages.add(part)
      // A stranger may send as much as that of something else.
      if (!isKnown && pages.length >= HEAD_BYTES) {
        checkFormat(name, pages.head)
        isKnown = true
      }
      if (turns.due) await turns.give()
    }
    return pages.joined()
  } catch (error) {
    if (error instanceof EfficientDetError) throw error
    throw imageError(name, `broke off (${reasonOf(error)}).`, error)
  }
}

function partOf(chunk: unknown): Uint8Array | null {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  return isAnyArrayBuffer(chunk) ? new Uint8Array(chunk) : null
}

/** Node streams that were begun: two that read one would each get a part of its bytes. */
const taken = new WeakSet<Readable>()

async function* nodeChunks(
  stream: Readable,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, undefined> {
  if (stream.destroyed || stream.readableEnded || taken.has(stream)) {
    throw imageError(name, 'was read or destroyed already: a stream can be read once.')
  }
  taken.add(stream)
  const stopListening = onAbort(signal, () => stream.destroy())
  try {
    yield* stream
  } finally {
    stopListening()
  }
}

/** Unlike `Readable.fromWeb`, it ends at nothing but the stream's end, and needs no class of Node's. */
async function* webChunks(
  stream: WebStream,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, undefined> {
  if (stream.locked)
    throw imageError(name, 'is locked: somebody reads it already, and a stream can be read once.')
  const reader = stream.getReader() as ReadableStreamDefaultReader<unknown>
  // Nobody waits for it: a source might never say that it has stopped.
  const cancel = () => void reader.cancel().catch(() => {})
  const stopListening = onAbort(signal, cancel)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      signal?.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    stopListening()
    cancel()
  }
}

/** Gathers bytes: kept as they come, a stranger's many small chunks would take a hundred times their size. */
class Pages {
  readonly #full: Uint8Array[] = []
  #last = new Uint8Array(PAGE)
  #used = 0
  length = 0

  add(chunk: Uint8Array): void {
    this.length += chunk.length
    for (let at = 0; at < chunk.length; ) {
      if (this.#used === PAGE) {
        this.#full.push(this.#last)
        this.#last = new Uint8Array(PAGE)
        this.#used = 0
      }
      const part = chunk.subarray(at, at + PAGE - this.#used)
      this.#last.set(part, this.#used)
      this.#used += part.length
      at += part.length
    }
  }

  /** The bytes of the first page. */
  get head(): Uint8Array {
    return this.#full[0] ?? this.#last.subarray(0, this.#used)
  }

  joined(): Uint8Array {
    return Buffer.concat([...this.#full, this.#last.subarray(0, this.#used)], this.length)
  }
}

const PAGE = 2 ** 16

let isStdinRead = false

/** @throws EfficientDetError ERR_IMAGE for a terminal, or the second time; ERR_IMAGE_TOO_LARGE */
export async function readStdin(name: string, options: BytesOptions): Promise<Uint8Array> {
  if (process.stdin.isTTY) throw imageError(name, 'is a terminal: pipe the file of a picture into it.')
  if (isStdinRead) throw imageError(name, 'was read already: it can be read once.')
  isStdinRead = true
  return readStream(process.stdin, name, options)
}
