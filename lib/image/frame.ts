import { EfficientDetError } from '../errors.js'

/** Layouts of uncompressed pixels, 8 bits a sample. */
export const PIXEL_FORMATS = ['rgb', 'rgba', 'bgr', 'bgra', 'grey', 'nv12', 'i420'] as const
export type PixelFormat = (typeof PIXEL_FORMATS)[number]

/**
 * An uncompressed picture in memory.
 *
 * `rgba` and `bgra`: alpha is ignored, as the trainers of these networks do. `nv12` and `i420`: a plane of
 * luma followed by chroma at half the width and height (rounded up), BT.601 with limited range.
 */
export interface Frame {
  readonly data: Uint8Array | Uint8ClampedArray
  readonly format: PixelFormat
  /** In pixels, 1 or more. */
  readonly width: number
  /** In pixels, 1 or more. */
  readonly height: number
  /**
   * Bytes from one row to the next; of the luma plane for `nv12` and `i420`, whose chroma planes have the same
   * (but room for whole pairs) and half of it (rounded up). Defaults to rows without a gap.
   */
  readonly stride?: number
}

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
 * @throws EfficientDetError ERR_INVALID_OPTION for an unknown format, a size or stride that is not a whole
 *   number in range, or fewer bytes than the size asks for
 */
export function planesOf(frame: Frame): Plane[] {
  const { data, format, width, height } = frame
  if (!PIXEL_FORMATS.includes(format)) {
    throw invalid(`format "${format}"; expected one of ${PIXEL_FORMATS.join(', ')}`)
  }
  for (const name of ['width', 'height'] as const) {
    const value = frame[name]
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalid(`${name} ${value}; expected a whole number of 1 or more`)
    }
  }
  if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) {
    throw invalid('no bytes in data; expected a Uint8Array or Buffer')
  }
  const rowBytes = width * BYTES_PER_PIXEL[format]
  const stride = frame.stride ?? rowBytes
  if (!Number.isSafeInteger(stride) || stride < rowBytes) {
    throw invalid(
      `a stride of ${stride}; expected at least the ${rowBytes} bytes of a row of ${width} pixels`,
    )
  }

  const planes = [{ offset: 0, stride }]
  let end = (height - 1) * stride + rowBytes
  if (format === 'nv12' || format === 'i420') {
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
      end = offset + (chromaRows - 1) * stride + bytes
      offset += chromaRows * stride
    }
  }
  if (data.length < end) {
    throw invalid(
      `${data.length} bytes; ${width}×${height} ${format} with a stride of ${stride} needs at least ${end}`,
    )
  }
  return planes
}

function invalid(found: string): EfficientDetError {
  return new EfficientDetError('ERR_INVALID_OPTION', `The frame has ${found}.`)
}
