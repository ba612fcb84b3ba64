import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { EfficientDetError } from '../base/errors.js'
import { onAbort } from '../threads/abort.js'
import { onThread } from './pool.js'
import { checkBytes, imageError, reasonOf } from './refusals.js'

export interface BytesOptions {
  /** Bounds the encoded bytes too (see `checkBytes`). */
  readonly maxPixels: number
  readonly signal?: AbortSignal | undefined
}

/** Opening a pipe would wait for its writer; Windows has neither the flag nor the wait. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** @throws EfficientDetError ERR_IMAGE for what is no regular file, ERR_IMAGE_TOO_LARGE */
export function readFile(path: string, name: string, options: BytesOptions): Promise<Uint8Array> {
  return onThread(options.signal, async () => {
    let file: FileHandle | null = null
    try {
      file = await open(path, READ_WITHOUT_WAITING)
      const stats = await file.stat()
      if (stats.isDirectory()) throw imageError(name, 'is a folder, not a picture.')
      if (!stats.isFile()) throw imageError(name, 'is a device or pipe, not a file.')
      if (stats.size === 0) throw imageError(name, 'is empty. The download or copy did not finish.')
      checkBytes(name, stats.size, options.maxPixels)
      return await file.readFile({ signal: options.signal })
    } catch (error) {
      if (error instanceof EfficientDetError) throw error
      const { code } = error as NodeJS.ErrnoException
      const missing = code === 'ENOENT' || code === 'ENOTDIR'
      throw imageError(name, missing ? missingFile(path) : `cannot be read (${reasonOf(error)}).`, error)
    } finally {
      await file?.close()
    }
  })
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
  { maxPixels }: BytesOptions,
): Promise<Uint8Array> {
  checkBytes(name, blob.size, maxPixels)
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
