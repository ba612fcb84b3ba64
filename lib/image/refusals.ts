import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'

/** Says of an image why it cannot be used. */
export function imageError(name: string, why: string, cause?: unknown): EfficientDetError {
  const separator = /^(is|are|has|cannot|was|gives|broke) /.test(why) ? ' ' : ': '
  return new EfficientDetError('ERR_IMAGE', `${abridged(name)}${separator}${why}`, { cause })
}

/** @throws EfficientDetError ERR_IMAGE_TOO_LARGE with the size, the limit and the option that raises it */
export function checkPixels(name: string, width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return
  throw new EfficientDetError(
    'ERR_IMAGE_TOO_LARGE',
    `${abridged(name)} is ${width}×${height}, ${width * height} pixels; at most ${maxPixels} are decoded. ` +
      'Raise maxPixels if that is meant.',
    { details: { width, height, maxPixels } },
  )
}

/** 16-bit RGBA without compression, and room for profiles, previews and other metadata. */
const maxBytesOf = (maxPixels: number) => 8 * maxPixels + 2 ** 24

/** @throws EfficientDetError ERR_IMAGE_TOO_LARGE for more encoded bytes than an image of `maxPixels` has uncompressed */
export function checkBytes(name: string, bytes: number, maxPixels: number): void {
  const maxBytes = maxBytesOf(maxPixels)
  if (bytes <= maxBytes) return
  throw new EfficientDetError(
    'ERR_IMAGE_TOO_LARGE',
    `${abridged(name)} is longer than ${maxBytes} bytes, the most that are read where maxPixels is ${maxPixels}. ` +
      'Raise maxPixels if that is meant.',
    { details: { maxBytes, maxPixels } },
  )
}

/** Gives what went wrong on one short line. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  // libvips may repeat itself for every tag of a damaged TIFF.
  const lines = new Set(message.split('\n').map((line) => line.trim()))
  lines.delete('')
  return abridged([...lines].join('; '), 300)
}
