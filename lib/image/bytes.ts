import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { EfficientDetError } from '../base/errors.js'
import { FileProblem, openFile, readInto } from '../base/open-file.js'
import { onAbort } from '../threads/abort.js'
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

function missingFile(path: string): string {
  return BASE64.test(path) && path.length > 40
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
  const unescaped = data.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(unescaped, base64 ? 'base64' : 'latin1')
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
  let stopListening = () => {}
  try {
    const stream = 'getReader' in source ? Readable.fromWeb(source as unknown as ReadableStream) : source
    if (stream.destroyed || stream.readableEnded) {
      throw imageError(name, 'was read or destroyed already: a stream can be read once.')
    }
    stopListening = onAbort(signal, () => stream.destroy())
    const chunks: Uint8Array[] = []
    let length = 0
    let isKnown = false
    for await (const chunk of stream) {
      if (!ArrayBuffer.isView(chunk)) {
        throw imageError(
          name,
          `gives values of type ${typeof chunk}; expected the bytes of a file, without an encoding.`,
        )
      }
      length += chunk.byteLength
      checkBytes(name, length, maxPixels)
      chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      // A stranger may send as much as that of something else.
      if (!isKnown && length >= HEAD_BYTES) {
        checkFormat(name, Buffer.concat(chunks, HEAD_BYTES))
        isKnown = true
      }
    }
    return Buffer.concat(chunks, length)
  } catch (error) {
    if (error instanceof EfficientDetError) throw error
    throw imageError(name, `broke off (${reasonOf(error)}).`, error)
  } finally {
    stopListening()
  }
}

let isStdinRead = false

/** @throws EfficientDetError ERR_IMAGE for a terminal, or the second time; ERR_IMAGE_TOO_LARGE */
export async function readStdin(name: string, options: BytesOptions): Promise<Uint8Array> {
  if (process.stdin.isTTY) throw imageError(name, 'is a terminal: pipe the file of a picture into it.')
  if (isStdinRead) throw imageError(name, 'was read already: it can be read once.')
  isStdinRead = true
  return readStream(process.stdin, name, options)
}
