import { isUint8Array, isUint8ClampedArray } from 'node:util/types'
import { EfficientDetError } from '../base/errors.js'
import { inspect } from '../base/inspect.js'
import { refuseUnknownNames } from '../base/names.js'
import { show } from '../base/show.js'
import { YUV_MATRICES, YUV_RANGES, type YuvMatrix, type YuvRange } from './yuv.js'

/** Layouts of uncompressed pixels, 8 bits a sample. */
export const PIXEL_FORMATS = ['rgb', 'rgba', 'bgr', 'bgra', 'grey', 'nv12', 'i420'] as const
export type PixelFormat = (typeof PIXEL_FORMATS)[number]

/**
 * How the pixels of an uncompressed image lie in memory.
 *
 * `rgba` and `bgra`: alpha is ignored, as the trainers of these networks do.
 *
 * `nv12` and `i420`: a plane of luma, then chroma at half the width and height (rounded up), whose colours `matrix`
 * and `range` tell.
 */
export interface FrameLayout {
  readonly format: PixelFormat
  /** In pixels, 1 or more. */
  readonly width: number
  /** In pixels, 1 or more. */
  readonly height: number
  /**
   * Bytes from one row to the next; defaults to rows without a gap. For `nv12` and `i420`, that of luma.
   *
   * Chroma has the same for `nv12` (but room for whole pairs), and half of it (rounded up) for `i420`.
   */
  readonly stride?: number
  /**
   * By which standard `nv12` and `i420`, and these alone, make colours. Primaries and transfer are taken as they are.
   * Defaults to `bt601`.
   *
   * HD video is usually `bt709`, UHD and HDR video `bt2020`, JPEG `bt601`.
   */
  readonly matrix?: YuvMatrix
  /**
   * Whether samples of `nv12` and `i420` use 16…235 (chroma: 16…240) or all of 0…255; for these formats only. Video is
   * usually `limited`, JPEG `full`. Defaults to `limited`.
   */
  readonly range?: YuvRange
}

/** An uncompressed image in memory. */
export interface Frame extends FrameLayout {
  readonly data: Uint8Array | Uint8ClampedArray
}

/**
 * An uncompressed image in a GPU's memory, where a decoder left it, say.
 *
 * Read in place: it must be complete at the call, or once `event` or `stream` is done, and stay until the call
 * settles.
 */
export interface DeviceFrame extends FrameLayout {
  /** Where it begins: an address of CUDA's, in this process. */
  readonly devicePointer: bigint
  /** Bytes that may be read from there. */
  readonly byteLength: number
  /** Number of the GPU, as `efficientdet doctor` lists them. Defaults to 0. */
  readonly device?: number
  /**
   * A CUDA event (`cudaEvent_t`, `CUevent`) after which the image is complete, recorded before the call. The GPU waits
   * for it, the caller does not.
   *
   * As any program of CUDA's, the process may end where it is no event's handle.
   */
  readonly event?: bigint
  /**
   * Instead of an event, a CUDA stream of this GPU (`cudaStream_t`, `CUstream`; 0n for the default one): the image is
   * complete when what is in it is done.
   */
  readonly stream?: bigint
}

/** Whether a frame lies in a GPU's memory. */
export function isDeviceFrame(frame: Frame | DeviceFrame): frame is DeviceFrame {
  return 'devicePointer' in frame
}

/** A frame with a copy of the bytes. */
export function copyOf(frame: Frame): Frame {
  return { data: new Uint8Array(frame.data), ...layoutOf(frame) }
}

/**
 * A frame as plain data over the same bytes: each field is read once, so that what is checked is what is used.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for an unknown name
 */
export function snapshotOf(frame: Frame | DeviceFrame): Frame | DeviceFrame {
  refuseUnknownFields(frame)
  if (!isDeviceFrame(frame)) return { data: frame.data, ...layoutOf(frame) }
  const { devicePointer, byteLength, device, event, stream } = frame
  return {
    devicePointer,
    byteLength,
    ...(device !== undefined && { device }),
    ...(event !== undefined && { event }),
    ...(stream !== undefined && { stream }),
    ...layoutOf(frame),
  }
}

function layoutOf({ format, width, height, stride, matrix, range }: FrameLayout): FrameLayout {
  return {
    format,
    width,
    height,
    ...(stride !== undefined && { stride }),
    ...(matrix !== undefined && { matrix }),
    ...(range !== undefined && { range }),
  }
}

/** Whether a format has luma and chroma. */
export function isYuv(format: PixelFormat): format is 'nv12' | 'i420' {
  return format === 'nv12' || format === 'i420'
}

/** How a frame of luma and chroma makes colours. */
export function colourOf({ matrix = 'bt601', range = 'limited' }: FrameLayout): {
  readonly matrix: YuvMatrix
  readonly range: YuvRange
} {
  return { matrix, range }
}

/**
 * A layout as plain data, and the bytes that a frame of it has with whole rows.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION as `planesOf`
 */
export function bytesOf(given: FrameLayout): { readonly layout: FrameLayout; readonly bytes: number } {
  return inspect('the frame', () => {
    if (typeof given !== 'object' || given === null) {
      throw invalid(`the layout ${show(given)}; expected { format, width, height }`)
    }
    refuseUnknownNames('the frame', given, LAYOUT_NAMES)
    const layout = layoutOf(given)
    const { rows, planes } = arrange(layout)
    checkReach(planes)
    const last = planes.length - 1
    return { layout, bytes: planes[last].offset + rows[last] * planes[last].stride }
  })
}

const LAYOUT_NAMES = ['format', 'width', 'height', 'stride', 'matrix', 'range']
const FRAME_NAMES = ['data', ...LAYOUT_NAMES]
const DEVICE_FRAME_NAMES = ['devicePointer', 'byteLength', 'device', 'event', 'stream', ...LAYOUT_NAMES]

const BYTES_PER_PIXEL: Readonly<Record<PixelFormat, number>> = {
  rgb: 3,
  rgba: 4,
  bgr: 3,
  bgra: 4,
  grey: 1,
  nv12: 1,
  i420: 1,
}

/** One rectangle of samples within a frame's bytes. */
export interface Plane {
  /** Where its first row begins, in bytes. */
  readonly offset: number
  /** Bytes from one row to the next. */
  readonly stride: number
}

/**
 * Checks a frame and tells where its planes lie: one, two (`nv12`) or three (`i420`).
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for an unknown name, format, matrix or range, a size or stride out of
 *   range, or too few bytes
 */
export function planesOf(frame: Frame | DeviceFrame): Plane[] {
  refuseUnknownFields(frame)
  const bytes = isDeviceFrame(frame) ? deviceBytesOf(frame) : hostBytesOf(frame)
  const { planes, end } = arrange(frame)
  if (bytes < end) {
    const { format, width, height } = frame
    const why = bytes === 0 ? ' (was it disposed, or its memory transferred away?)' : ''
    throw invalid(
      `${bytes} bytes${why}; ${width}×${height} ${format} with a stride of ${planes[0].stride} needs at least ${end}`,
    )
  }
  checkReach(planes)
  return planes
}

/** Where planes lie, how many rows each has, and where the last one's pixels end. */
function arrange(frame: FrameLayout): {
  readonly planes: Plane[]
  readonly rows: readonly number[]
  readonly end: number
} {
  const { format, width, height } = frame
  if (!PIXEL_FORMATS.includes(format)) {
    throw invalid(`format ${show(format)}; expected one of ${PIXEL_FORMATS.join(', ')}`)
  }
  checkColour(frame)
  for (const name of ['width', 'height'] as const) {
    const value = frame[name]
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalid(`${name} ${show(value)}; expected a whole number of 1 or more`)
    }
  }
  const rowBytes = width * BYTES_PER_PIXEL[format]
  const stride = frame.stride ?? rowBytes
  if (!Number.isSafeInteger(stride) || stride < rowBytes) {
    throw invalid(
      `a stride of ${show(stride)}; expected at least the ${rowBytes} bytes of a row of ${width} pixels`,
    )
  }

  const planes = [{ offset: 0, stride }]
  const rows = [height]
  let end = (height - 1) * stride + rowBytes
  if (isYuv(format)) {
    const chromaRows = Math.ceil(height / 2)
    const chromaWidth = Math.ceil(width / 2)
    const chroma =
      format === 'nv12'
        ? // A row of an odd width has one luma sample less than bytes of chroma.
          [{ stride: Math.max(stride, 2 * chromaWidth), bytes: 2 * chromaWidth }]
        : Array(2).fill({ stride: Math.ceil(stride / 2), bytes: chromaWidth })
    let offset = height * stride
    for (const { stride, bytes } of chroma) {
      planes.push({ offset, stride })
      rows.push(chromaRows)
      end = offset + (chromaRows - 1) * stride + bytes
      offset += chromaRows * stride
    }
  }
  return { planes, rows, end }
}

/** The addon takes offsets and strides as 32 bits. */
function checkReach(planes: readonly Plane[]): void {
  if (planes.every(({ offset, stride }) => offset < 2 ** 32 && stride < 2 ** 32)) return
  throw invalid(`a stride of ${planes[0].stride}; expected one with which no plane begins beyond 4 GiB`)
}

function refuseUnknownFields(frame: Frame | DeviceFrame): void {
  refuseUnknownNames('the frame', frame, isDeviceFrame(frame) ? DEVICE_FRAME_NAMES : FRAME_NAMES)
}

function checkColour(frame: FrameLayout): void {
  for (const [name, values] of [
    ['matrix', YUV_MATRICES],
    ['range', YUV_RANGES],
  ] as const) {
    const value = frame[name]
    if (value === undefined) continue
    if (!(values as readonly unknown[]).includes(value)) {
      throw invalid(`${name} ${show(value)}; expected one of ${values.join(', ')}`)
    }
    if (!isYuv(frame.format)) {
      throw invalid(`a ${name}, and format ${frame.format}; expected one with nv12 and i420 alone`)
    }
  }
}

function hostBytesOf({ data }: Frame): number {
  // Also arrays of another realm, such as those that jsdom gives to tests, but no proxy of one.
  if (isUint8Array(data) || isUint8ClampedArray(data)) return data.length
  throw invalid('no bytes in data; expected a Uint8Array or Buffer')
}

function deviceBytesOf({ devicePointer, byteLength, device = 0, event, stream }: DeviceFrame): number {
  if (!isAddress(devicePointer) || devicePointer === 0n) {
    throw invalid(`devicePointer ${show(devicePointer)}; expected an address of CUDA's as a bigint`)
  }
  if (event !== undefined && (!isAddress(event) || event === 0n)) {
    throw invalid(`event ${show(event)}; expected a handle of CUDA's as a bigint`)
  }
  if (stream !== undefined && !isAddress(stream)) {
    throw invalid(`stream ${show(stream)}; expected a handle of CUDA's as a bigint`)
  }
  if (event !== undefined && stream !== undefined) {
    throw invalid('an event and a stream; expected one of them, or none')
  }
  if (!Number.isInteger(device) || device < 0) {
    throw invalid(`device ${show(device)}; expected the number of a GPU, counted from 0`)
  }
  if (Number.isSafeInteger(byteLength) && byteLength >= 0) return byteLength
  throw invalid(`byteLength ${show(byteLength)}; expected a whole number of bytes`)
}

function isAddress(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value < 1n << 64n
}

function invalid(found: string): EfficientDetError {
  return new EfficientDetError('ERR_INVALID_OPTION', `The frame has ${found}.`)
}
