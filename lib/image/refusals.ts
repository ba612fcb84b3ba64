import { EfficientDetError } from '../base/errors.js'

/** Says of a picture why it cannot be used. */
export function imageError(name: string, why: string, cause?: unknown): EfficientDetError {
  const separator = /^(is|are|has|cannot) /.test(why) ? ' ' : ': '
  return new EfficientDetError('ERR_IMAGE', `${name}${separator}${why}`, { cause })
}

/** @throws EfficientDetError ERR_IMAGE_TOO_LARGE with the size, the limit and the option that raises it */
export function checkPixels(name: string, width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return
  throw new EfficientDetError(
    'ERR_IMAGE_TOO_LARGE',
    `${name} is ${width}×${height}, ${width * height} pixels; at most ${maxPixels} are decoded. ` +
      'Raise maxPixels if that is meant.',
    { details: { width, height, maxPixels } },
  )
}
