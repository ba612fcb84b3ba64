import { readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Sharp } from 'sharp'
import { EfficientDetError } from '../base/errors.js'
import { decode } from './decode.js'
import { type DeviceFrame, type Frame, planesOf } from './frame.js'
import { checkPixels, imageError } from './refusals.js'

/**
 * Anything that holds a picture: the path or file URL of a file, the bytes of one, a sharp pipeline, or
 * uncompressed pixels, in memory or on a GPU.
 */
export type Source = string | URL | Uint8Array | ArrayBuffer | Sharp | Frame | DeviceFrame

/** A picture in memory. */
export interface ReadSource<F extends Frame | DeviceFrame = Frame | DeviceFrame> {
  readonly frame: F
  /** How the caller can recognise it: the path or URL, or null for anything in memory. */
  readonly name: string | null
  /** Pictures in the file; the first one was taken. */
  readonly pages: number
}

export interface ReadOptions {
  /** Refuse pictures of more pixels. */
  readonly maxPixels: number
}

/**
 * Reads any source. Decoding runs on libuv's threads; EXIF orientation is applied, so that width, height and
 * boxes are those of the picture as a viewer shows it.
 *
 * @throws EfficientDetError ERR_IMAGE, ERR_IMAGE_TOO_LARGE, ERR_INVALID_OPTION (an object of another kind)
 */
export function readSource(
  source: Exclude<Source, DeviceFrame>,
  options: ReadOptions,
): Promise<ReadSource<Frame>>
export function readSource(source: Source, options: ReadOptions): Promise<ReadSource>
export async function readSource(source: Source, { maxPixels }: ReadOptions): Promise<ReadSource> {
  if (typeof source === 'string' || source instanceof URL) {
    const name = nameOf(source)!
    const path = source instanceof URL ? pathOf(source) : source
    return { name, ...(await decode(await readPicture(path, name), name, maxPixels)) }
  }
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    // So is a buffer that was transferred away, of which no view can be made.
    if (source.byteLength === 0) throw imageError('The picture', 'is empty.')
    const bytes = source instanceof ArrayBuffer ? new Uint8Array(source) : source
    return { name: null, ...(await decode(bytes, 'The picture', maxPixels)) }
  }
  if (isSharp(source)) return { name: null, ...(await decode(source, 'The sharp pipeline', maxPixels)) }
  const frame = readFrame(source, { maxPixels })
  if (frame !== null) return frame
  throw new EfficientDetError(
    'ERR_INVALID_OPTION',
    `A source is a path, file URL, Buffer, sharp instance or frame { data, format, width, height }; found ${describe(source)}.`,
  )
}

/** How the caller can recognise a source: the path or URL that was given, or null for anything in memory. */
export function nameOf(source: Source): string | null {
  return typeof source === 'string' || source instanceof URL ? String(source) : null
}

function pathOf(url: URL): string {
  // A data URL may be megabytes long.
  const name = url.href.slice(0, 200)
  if (url.protocol !== 'file:') {
    throw imageError(
      name,
      'pictures are not fetched from the network. Download it and give its path or bytes.',
    )
  }
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw imageError(name, `is no path on this machine (${(error as Error).message}).`, error)
  }
}

async function readPicture(path: string, name: string): Promise<Uint8Array> {
  try {
    const stats = await stat(path)
    if (stats.isDirectory()) throw imageError(name, 'is a folder, not a picture.')
    if (!stats.isFile()) throw imageError(name, 'is a device or pipe, not a file.')
    if (stats.size === 0) throw imageError(name, 'is empty. The download or copy did not finish.')
    return await readFile(path)
  } catch (error) {
    if (error instanceof EfficientDetError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const missing = code === 'ENOENT' || code === 'ENOTDIR'
    throw imageError(name, missing ? 'there is no such file.' : `cannot be read (${message}).`, error)
  }
}

/** By its methods, for the caller's sharp need not be the copy that this package would load. */
function isSharp(source: Source): source is Sharp {
  return isObject(source) && 'metadata' in source && 'toBuffer' in source && 'clone' in source
}

function isFrame(source: Source): source is Frame | DeviceFrame {
  return isObject(source) && 'format' in source && ('data' in source || 'devicePointer' in source)
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
export function readFrame(source: Source, { maxPixels }: ReadOptions): ReadSource | null {
  if (!isFrame(source)) return null
  planesOf(source)
  checkPixels('The frame', source.width, source.height, maxPixels)
  return { frame: source, name: null, pages: 1 }
}

function describe(source: unknown): string {
  if (source === null || typeof source !== 'object') return String(source)
  return `an object of class ${source.constructor?.name ?? 'null'}`
}
