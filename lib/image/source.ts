import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { isAnyArrayBuffer, isUint8ClampedArray } from 'node:util/types'
import type { Sharp } from 'sharp'
import { EfficientDetError } from '../base/errors.js'
import { inspect, uninspectable } from '../base/inspect.js'
import { abridged, redacted } from '../base/listing.js'
import type { Size } from '../models/levels.js'
import { untilAborted } from '../threads/abort.js'
import {
  type BlobLike,
  type BytesOptions,
  type ResponseLike,
  readBlob,
  readDataUrl,
  readFile,
  readResponse,
  readStdin,
  readStream,
  type WebStream,
} from './bytes.js'
import { type DecodeOptions, decode } from './decode.js'
import { type DeviceFrame, type Frame, planesOf, snapshotOf } from './frame.js'
import { encodedBytes } from './pool.js'
import { checkBytes, checkPixels, imageError } from './refusals.js'

/** The pixels of a canvas, or what has the same shape: RGBA, of which alpha is ignored. */
export interface ImageDataLike {
  readonly data: Uint8ClampedArray
  readonly width: number
  readonly height: number
  readonly format?: undefined
}

/**
 * Anything that holds an image:
 *
 * - the path of a file, a `file:` or `data:` URL (as text or URL), `-` for standard input
 * - the bytes of a file: in memory, a Blob or File, or what gives them (a Response, a web or Node stream), which is
 *   used up
 * - a sharp pipeline
 * - uncompressed pixels, in memory or on a GPU
 */
export type Source =
  | string
  | URL
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | BlobLike
  | ResponseLike
  | WebStream
  | Readable
  | Sharp
  | ImageDataLike
  | Frame
  | DeviceFrame

/** An image in memory. */
export interface ReadSource<F extends Frame | DeviceFrame = Frame | DeviceFrame> {
  readonly frame: F
  /** The picture's own size, which is the frame's unless that was shrunk. */
  readonly size: Size
  /** Whether the frame was made for this call: nobody else has its bytes. */
  readonly isOwn: boolean
  /** How the caller can recognise it: the path, `redacted` URL or name of a file, or null for anything without one. */
  readonly name: string | null
  /** Images in the file; the first one was taken. */
  readonly pages: number
  /** What was wrong with the file and could be passed over. */
  readonly warnings: readonly string[]
}

export type ReadOptions = DecodeOptions

/**
 * Reads any source on libuv's threads. EXIF orientation is applied: width, height and boxes are those that a viewer
 * shows. An abort of the signal rejects at once.
 *
 * @throws EfficientDetError ERR_IMAGE, ERR_IMAGE_TOO_LARGE, ERR_INVALID_OPTION (an object of another kind); the
 *   signal's reason
 */
export function readSource(
  source: Exclude<Source, DeviceFrame>,
  options: ReadOptions,
): Promise<ReadSource<Frame>>
export function readSource(source: Source, options: ReadOptions): Promise<ReadSource>
export async function readSource(source: Source, options: ReadOptions): Promise<ReadSource> {
  options.signal?.throwIfAborted()
  return await untilAborted(read(source, options), options.signal)
}

async function read(source: Source, options: ReadOptions): Promise<ReadSource> {
  try {
    return await readAny(source, options)
  } catch (error) {
    throw options.signal?.aborted ? error : uninspectable('the source', error)
  }
}

async function readAny(source: Source, options: ReadOptions): Promise<ReadSource> {
  const frame = readFrame(source, options)
  if (frame !== null) return frame
  if (isSharp(source)) {
    // What merely looks like sharp may give bytes that are the caller's.
    return { name: null, isOwn: false, ...(await decode(source, 'The sharp pipeline', options)) }
  }
  const name = nameOf(source)
  const title = name === '-' ? 'Standard input' : (name ?? 'The picture')
  let held = 0
  let isOver = false
  const hold = async (bytes: number) => {
    await encodedBytes.acquire(bytes, options.signal)
    if (isOver) encodedBytes.release(bytes)
    else held = bytes
  }
  try {
    // Given up with the signal: an object of the caller's that never answers must not keep its room.
    const bytes = await untilAborted(readBytes(source, title, { ...options, hold }), options.signal)
    if (bytes.byteLength === 0) throw imageError(title, 'is empty.')
    return { name, isOwn: true, ...(await decode(bytes, title, options)) }
  } finally {
    isOver = true
    encodedBytes.release(held)
  }
}

/** How the caller can recognise a source: its path, `redacted` URL or file name, or null for anything without one. */
export function nameOf(source: Source): string | null {
  try {
    const text = isUrl(source) ? source.href : source
    if (typeof text === 'string') {
      if (/^data:/i.test(text)) return abridged(text, 60)
      return URL_TEXT.test(text) ? redacted(text) : text
    }
    if (isResponse(source)) return redacted(source.url) || null
    return isBlob(source) && 'name' in source && typeof source.name === 'string' ? source.name : null
  } catch {
    // An object that throws when it is looked at.
    return null
  }
}

/**
 * The bytes of a file, from wherever they come.
 *
 * @param title how messages call the source
 * @throws EfficientDetError ERR_IMAGE, ERR_IMAGE_TOO_LARGE, ERR_INVALID_OPTION for pixels and objects of other kinds
 */
export async function readBytes(source: Source, title: string, options: BytesOptions): Promise<Uint8Array> {
  if (typeof source === 'string') return readText(source, title, options)
  if (isUrl(source)) return readText(source.href, title, options)
  if (ArrayBuffer.isView(source) || isAnyArrayBuffer(source)) return copyOfBytes(source, title, options)
  if (isResponse(source)) return readResponse(source, title, options)
  if (isBlob(source)) return readBlob(source, title, options)
  if (isStream(source)) return readStream(source, title, options)
  throw new EfficientDetError(
    'ERR_INVALID_OPTION',
    `A source is a path, URL, Buffer, Blob, Response, stream, sharp instance or frame { data, format, width, height }; found ${describe(source)}.`,
  )
}

/** Text that is meant as a URL; other colons may be part of a file's name. */
const URL_TEXT = /^(data:|blob:|[a-z][a-z\d+.-]+:\/\/|file:)/i

async function readText(text: string, title: string, options: BytesOptions): Promise<Uint8Array> {
  if (text === '') throw imageError('The path', 'is empty.')
  if (text === '-') return readStdin(title, options)
  const scheme = URL_TEXT.exec(text)?.[0].toLowerCase()
  if (scheme === undefined) return readFile(text, title, options)
  if (scheme === 'data:') return readDataUrl(text, title, options)
  if (scheme.startsWith('file:')) return readFile(pathOf(text), title, options)
  throw notFetched(text, scheme)
}

function notFetched(url: string, scheme: string): EfficientDetError {
  return imageError(
    redacted(url),
    scheme === 'blob:'
      ? 'is a name within one program. Give the Blob itself.'
      : 'pictures are not fetched from the network. Download it and give its path or bytes, or what fetch resolves to.',
  )
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw imageError(url, `is no path on this machine (${(error as Error).message}).`, error)
  }
}

/**
 * Copies the caller's bytes. Decoders in other threads trust that bytes stay as they are; the caller may write to
 * them, shrink their buffer, or transfer it away.
 */
async function copyOfBytes(
  source: ArrayBufferView | ArrayBuffer | SharedArrayBuffer,
  title: string,
  { maxPixels, hold }: BytesOptions,
): Promise<Uint8Array> {
  const bytes = viewOf(source, title)
  checkBytes(title, bytes.byteLength, maxPixels)
  const copy = bytes.slice()
  await hold?.(copy.byteLength)
  return copy
}

function viewOf(source: ArrayBufferView | ArrayBuffer | SharedArrayBuffer, title: string): Uint8Array {
  try {
    return ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
      : new Uint8Array(source)
  } catch (error) {
    throw imageError(title, 'is empty: its memory was transferred away or shrunk.', error)
  }
}

/** Tells a URL by its fields, for those of other realms and libraries are no instances of Node's class. */
function isUrl(source: Source): source is URL {
  return isObject(source) && 'href' in source && 'protocol' in source && typeof source.href === 'string'
}

/** Tells sharp by its methods, for the caller's need not be the copy that this package would load. */
function isSharp(source: Source): source is Sharp {
  return isObject(source) && 'metadata' in source && 'toBuffer' in source && 'clone' in source
}

function isFrame(source: Source): source is Frame | DeviceFrame {
  return isObject(source) && 'format' in source && ('data' in source || 'devicePointer' in source)
}

function isImageData(source: Source): source is ImageDataLike {
  return hasPixels(source) && isUint8ClampedArray(source.data)
}

/** Whether a source is pixels of which no format is told; some decoders for JavaScript give such streams. */
function hasPixels(source: unknown): source is { data: unknown; width: number; height: number } {
  return (
    isObject(source) && 'data' in source && 'width' in source && 'height' in source && !('format' in source)
  )
}

function isResponse(source: Source): source is ResponseLike {
  return isObject(source) && 'bodyUsed' in source && 'status' in source && 'body' in source
}

function isBlob(source: Source): source is BlobLike {
  return isObject(source) && 'size' in source && 'arrayBuffer' in source && 'stream' in source
}

function isStream(source: Source): source is Readable | WebStream {
  if (!isObject(source) || hasPixels(source)) return false
  return 'getReader' in source || ('pipe' in source && Symbol.asyncIterator in source)
}

/** Whether the caller feeds a source, which then might never end. */
export function isFed(source: Source): boolean {
  return (
    source === '-' ||
    isResponse(source) ||
    isStream(source) ||
    isSharp(source) ||
    // Node's own has its bytes, or a file's.
    (isBlob(source) && !(source instanceof Blob))
  )
}

/** Callers without types may give anything. */
function isObject(source: unknown): source is object {
  return typeof source === 'object' && source !== null
}

/**
 * A frame as a source that is read already, checked but not copied; null for sources of another kind.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION (see `planesOf`), ERR_IMAGE_TOO_LARGE
 */
export function readFrame(source: Source, { maxPixels }: Pick<ReadOptions, 'maxPixels'>): ReadSource | null {
  const frame = inspect('the source', () =>
    isFrame(source) ? snapshotOf(source) : isImageData(source) ? frameOf(source) : null,
  )
  if (frame === null) return null
  planesOf(frame)
  checkPixels('The frame', frame.width, frame.height, maxPixels)
  const { width, height } = frame
  return { frame, size: { width, height }, isOwn: false, name: null, pages: 1, warnings: [] }
}

function frameOf({ data, width, height }: ImageDataLike): Frame {
  return { data, format: 'rgba', width, height }
}

/** Says what an object is that cannot be read, and where possible what to give instead. */
function describe(source: unknown): string {
  if (typeof source === 'function') return 'a function'
  if (!isObject(source)) return abridged(String(source))
  if (Array.isArray(source)) return 'an array; give its items to detectBatch or stream'
  if (Symbol.iterator in source || Symbol.asyncIterator in source)
    return 'an iterable; give it to detectBatch or stream'
  if ('then' in source) return 'a Promise; await it first'
  if ('getContext' in source) return "a canvas; give canvas.toBuffer('image/png') or its ImageData"
  if ('type' in source && source.type === 'Buffer')
    return 'a Buffer that became JSON; give Buffer.from(it.data)'
  if ('source' in source) return 'an item; give it to detectBatch or stream, or its source alone'
  if ('data' in source && 'info' in source)
    return "what sharp's raw() comes to; give { data, format, width, height }, of which info tells the rest"
  if (hasPixels(source)) return "pixels without a format; add format: 'rgba', say"
  return `an object of class ${source.constructor?.name ?? 'null'}`
}
