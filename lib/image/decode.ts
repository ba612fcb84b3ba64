import type { Metadata, Sharp } from 'sharp'
import { EfficientDetError } from '../base/errors.js'
import { MAX_DECODE_SECONDS, MAX_JPEG_SCANS } from '../base/limits.js'
import type { Size } from '../models/levels.js'
import { checkFormat, type FileFormat } from './file-format.js'
import type { Frame } from './frame.js'
import { headerOf, mendJpeg, scansOf } from './jpeg.js'
import { letterbox } from './letterbox.js'
import { onThread } from './pool.js'
import { checkPixels, imageError, reasonOf } from './refusals.js'
import { loadSharp } from './sharp.js'
import { onClose } from './stream-close.js'

/** Whether an image of which pixels are missing or damaged is refused, or taken as far as it can be decoded. */
export const DAMAGED = ['refuse', 'accept'] as const
export type Damaged = (typeof DAMAGED)[number]

/** Whether all pixels of a JPEG are decoded, or those that a network's input has room for. */
export const DECODINGS = ['exact', 'fast'] as const
export type Decoding = (typeof DECODINGS)[number]

export interface DecodeOptions {
  /** Refuse images of more pixels. */
  readonly maxPixels: number
  /** Defaults to `refuse`. */
  readonly damaged?: Damaged
  /** A network's input, for which a JPEG of far more pixels is shrunk while it is decoded; else none is. */
  readonly shrinkFor?: Size | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when it is known how many bytes an image takes, and waited for before it is decoded. */
  readonly reserve?: (bytes: number) => Promise<void>
}

export interface Decoded {
  readonly frame: Frame
  /** The picture's own size, which is the frame's unless that was shrunk. */
  readonly size: Size
  /** Images in the file; the first one was taken. */
  readonly pages: number
  /** What was wrong with the file and could be passed over. */
  readonly warnings: readonly string[]
}

/**
 * Decodes a compressed image, its first page if there are several, into RGB.
 *
 * Colour profiles of RGB images are ignored, as by trainers' decoders; CMYK needs its profile, and counts as inverted
 * in a JPEG, as Adobe's programs write it.
 *
 * What is transparent is laid on mid-grey, so that unseen colours find nothing and light and dark things show alike.
 *
 * 16-bit samples are divided by 257; samples of other depths are refused.
 *
 * A file with a flaw but all pixels is taken with a warning; one that lacks pixels is refused, unless `damaged` is
 * `accept`.
 *
 * A sharp pipeline says by its own `failOn` what it takes, converts colour profiles, and is not shrunk.
 *
 * @param name how messages call the image
 * @throws EfficientDetError ERR_IMAGE, ERR_IMAGE_TOO_LARGE; the signal's reason
 */
export async function decode(
  source: Uint8Array | Sharp,
  name: string,
  options: DecodeOptions,
): Promise<Decoded> {
  try {
    return await (source instanceof Uint8Array
      ? decodeFile(source, name, options)
      : whileFed(source, name, decodePipeline(source, name, options)))
  } catch (error) {
    if (error instanceof EfficientDetError || options.signal?.aborted) throw error
    throw imageError(name, `cannot be decoded (${decodingReason(error)}).`, error)
  }
}

/** What sharp says where libvips gives it no reason, or before one. */
const NO_REASON = /^(?:Unknown error|Warning treated as error due to failOn setting)(?:; |$)/

/** libvips has one list of reasons for all threads, and another image may have emptied it. */
function decodingReason(error: unknown): string {
  return reasonOf(error).replace(NO_REASON, '') || 'it is damaged or ends early'
}

async function decodeFile(
  bytes: Uint8Array,
  name: string,
  { maxPixels, damaged, shrinkFor, signal, reserve }: DecodeOptions,
): Promise<Decoded> {
  const format = checkFormat(name, bytes)
  const sharp = await loadSharp()
  const metadata =
    (format === 'jpeg' && shrinkFor === undefined && plainJpeg(bytes)) ||
    (await onThread(signal, () => sharp(bytes, { failOn: 'none', limitInputPixels: false }).metadata()))
  checkDecoder(metadata, name, format)
  check(metadata, name, maxPixels)
  if (format === 'jpeg' && scansOf(bytes) > MAX_JPEG_SCANS) {
    throw imageError(name, `has more than ${MAX_JPEG_SCANS} scans, each of which costs time. Save it anew.`)
  }
  const shrunk = shrinkFor && format === 'jpeg' ? shrunkSize(metadata.autoOrient, shrinkFor) : null
  await reserve?.(shrunk === null ? decodedBytes(metadata) : 3 * shrunk.width * shrunk.height)
  const pages = metadata.pages ?? 1
  const read = (file: Uint8Array, failOn: 'warning' | 'none') => {
    const ignoreIcc = metadata.space !== 'cmyk'
    const pipeline = sharp(file, { failOn, limitInputPixels: maxPixels, ignoreIcc })
      .autoOrient()
      .timeout({ seconds: MAX_DECODE_SECONDS })
    if (shrunk !== null) pipeline.resize(shrunk.width, shrunk.height, { fit: 'fill', kernel: 'linear' })
    return onThread(signal, () => pixelsOf(finish(pipeline, isDeep(metadata))))
  }
  const decoded = (frame: Frame, warnings: readonly string[]): Decoded => {
    return { frame, size: shrunk === null ? sizeOf(frame) : metadata.autoOrient, pages, warnings }
  }
  try {
    return decoded(await read(bytes, 'warning'), lacksEnd(bytes, metadata.format))
  } catch (error) {
    signal?.throwIfAborted()
    const mended = mendJpeg(bytes)
    const frame = mended && (await read(mended.bytes, 'warning').catch(() => null))
    if (frame) return decoded(frame, mended.warnings)
    signal?.throwIfAborted()
    if (isTimeout(error)) {
      throw imageError(name, `took longer to decode than ${MAX_DECODE_SECONDS} s. Make it smaller.`, error)
    }
    const reason = decodingReason(error)
    if (damaged === 'accept') {
      const warning = `The file is damaged (${reason}): pixels are missing or wrong.`
      return decoded(await read(mended?.bytes ?? bytes, 'none'), [warning])
    }
    throw imageError(
      name,
      `cannot be decoded (${reason}). To take what can be, give damaged: 'accept' (--damaged accept).`,
      error,
    )
  }
}

async function decodePipeline(
  pipeline: Sharp,
  name: string,
  { maxPixels, signal, reserve }: DecodeOptions,
): Promise<Decoded> {
  const sharp = await loadSharp()
  // What sharp joins or makes of several files has none; its own limit of pixels holds then.
  const metadata = await metadataOf(pipeline)
  if (metadata !== null) {
    check(metadata, name, maxPixels)
    await reserve?.(decodedBytes(metadata))
  }
  const deep = metadata !== null && isDeep(metadata)
  const upright = pipeline.clone().autoOrient()
  const output = deep
    ? upright.toColourspace('rgb16').raw({ depth: 'ushort' })
    : upright.toColourspace('srgb').raw({ depth: 'uchar' })
  const read = () => output.toBuffer({ resolveWithObject: true })
  // What merely looks like sharp might never answer and keep its thread for good.
  const { data, info } = await (pipeline instanceof sharp ? onThread(signal, read) : read())
  const { width, channels } = info
  // A pipeline that was told to read all pages stacks them from top to bottom.
  const height = info.pageHeight ?? info.height
  checkPixels(name, width, height, maxPixels)
  if (channels > 4) throw imageError(name, `has ${channels} channels; expected 1 to 4.`)
  const samples = width * height * channels
  const pages = metadata?.pages ?? 1
  const first = deep
    ? new Uint16Array(data.buffer, data.byteOffset, samples)
    : new Uint8Array(data.buffer, data.byteOffset, samples)
  if (channels === 3 && !deep) {
    const frame: Frame = { data: first as Uint8Array, format: 'rgb', width, height }
    return { frame, size: { width, height }, pages, warnings: [] }
  }
  const raw = sharp(first, { raw: { width, height, channels }, limitInputPixels: false })
  const frame = await onThread(signal, () => pixelsOf(finish(raw, deep)))
  return { frame, size: { width, height }, pages, warnings: [] }
}

const asked = new WeakMap<Sharp, Promise<Metadata | null>>()

/**
 * Metadata of a pipeline's input, or null if it has none.
 *
 * Whoever waits for a fed one waits with the others: sharp would listen once for each, and Node takes ten for a leak.
 */
function metadataOf(pipeline: Sharp): Promise<Metadata | null> {
  let answer = asked.get(pipeline)
  if (answer === undefined) {
    answer = pipeline
      .metadata()
      .catch(() => null)
      .finally(() => asked.delete(pipeline))
    asked.set(pipeline, answer)
  }
  return answer
}

/**
 * Waits for a pipeline that a stream may feed.
 *
 * @throws EfficientDetError ERR_IMAGE once the stream has broken off, which sharp itself would not notice
 */
function whileFed<T>(pipeline: Sharp, name: string, reading: Promise<T>): Promise<T> {
  // Another copy of sharp, or what looks like one, need not be a stream.
  if (typeof pipeline.on !== 'function') return reading
  return new Promise<T>((resolve, reject) => {
    const check = () => {
      if (!pipeline.destroyed || pipeline.writableFinished) return
      const { errored } = pipeline
      const why = errored ? ` (${reasonOf(errored)})` : ''
      settle(() => reject(imageError(name, `was destroyed before its input was complete${why}.`, errored)))
    }
    const stopListening = onClose(pipeline, check)
    const settle = (end: () => void) => {
      stopListening()
      end()
    }
    reading.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    )
    check()
  })
}

/** Whether sharp's own limit of time ended a pipeline. */
export function isTimeout(error: unknown): boolean {
  return /^timeout: \d+% complete/m.test((error as Error).message)
}

/** What decoding needs to know of a file. */
type FileMetadata = Pick<
  Metadata,
  'format' | 'compression' | 'width' | 'height' | 'pageHeight' | 'pages' | 'depth' | 'space' | 'autoOrient'
>

/**
 * Metadata of a JPEG of 8 bits, grey or in colour, by its header alone: asking libvips takes a tenth of the time of
 * decoding. Null for others.
 */
function plainJpeg(bytes: Uint8Array): FileMetadata | null {
  const header = headerOf(bytes)
  if (header === null || header.precision !== 8) return null
  const { width, height, components } = header
  if ((components !== 1 && components !== 3) || width === 0 || height === 0) return null
  const autoOrient = { width, height }
  return { format: 'jpeg', width, height, depth: 'uchar', space: 'srgb', autoOrient }
}

/** Containers have room for what no decoder was meant to see. @throws EfficientDetError ERR_IMAGE */
function checkDecoder({ format, compression }: FileMetadata, name: string, expected: FileFormat): void {
  const decoder: string = format === 'heif' && compression === 'av1' ? 'avif' : format
  // Ultra HDR is a JPEG with a second picture, of which the first is taken.
  if (decoder === expected || (decoder === 'uhdr' && expected === 'jpeg')) return
  throw imageError(
    name,
    `is ${expected.toUpperCase()} that holds ${compression ?? format}. Save it as PNG or JPEG first.`,
  )
}

/** @throws EfficientDetError ERR_IMAGE_TOO_LARGE; ERR_IMAGE where nobody says which sample is white */
function check({ width, height, pageHeight, depth }: FileMetadata, name: string, maxPixels: number): void {
  checkPixels(name, width, pageHeight ?? height, maxPixels)
  if (depth === 'uchar' || depth === 'ushort') return
  const kind = DEPTHS.get(depth) ?? depth
  throw imageError(
    name,
    `has ${kind} samples, of which nothing says which are black and white. Scale them to 8 or 16 bits, unsigned.`,
  )
}

/** From how many times an input's size on libvips has a JPEG's decoder leave out what would be shrunk away. */
const SHRINKS_FROM = 3

/** The size that a picture has in an input; null where the decoder would save nothing. */
function shrunkSize(size: Size, input: Size): Size | null {
  const { width, height } = letterbox(size, input)
  if (Math.min(size.width / width, size.height / height) < SHRINKS_FROM) return null
  return { width, height }
}

function sizeOf({ width, height }: Size): Size {
  return { width, height }
}

function decodedBytes({ width, height, pageHeight }: FileMetadata): number {
  return 3 * width * (pageHeight ?? height)
}

const DEPTHS: ReadonlyMap<string, string> = new Map([
  ['char', 'signed 8-bit'],
  ['short', 'signed 16-bit'],
  ['int', 'signed 32-bit'],
  ['uint', 'unsigned 32-bit'],
  ['float', 'floating-point'],
  ['double', 'double-precision'],
  ['complex', 'complex'],
  ['dpcomplex', 'complex'],
])

function isDeep({ depth }: FileMetadata): boolean {
  return depth === 'ushort'
}

/** What transparency is laid on; networks see next to nothing in it, for it is near the mean of photographs. */
const BACKGROUND = '#808080'

/** Has a pipeline give 8-bit RGB without transparency, and 0…65535 as 0…255, rounded to nearest. */
function finish(pipeline: Sharp, deep: boolean): Sharp {
  const opaque = pipeline.flatten({ background: BACKGROUND })
  // libvips itself would divide by 256, and cut.
  return deep
    ? opaque
        .linear(1 / 257, 0.5)
        .toColourspace('rgb16')
        .raw({ depth: 'uchar' })
    : opaque.toColourspace('srgb').raw({ depth: 'uchar' })
}

async function pixelsOf(pipeline: Sharp): Promise<Frame> {
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true })
  const { width, height } = info
  return { data, format: 'rgb', width, height }
}

/** Warns of a PNG or GIF whose end is missing, where decoders stop at the last pixel. */
function lacksEnd(bytes: Uint8Array, format: Metadata['format']): string[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lacks =
    (format === 'png' && file.lastIndexOf('IEND') < 0) ||
    // Padding may follow it.
    (format === 'gif' && !/;\0*$/.test(file.toString('latin1', file.length - 64)))
  return lacks ? ['The file ends before its end marker, with all pixels there.'] : []
}
