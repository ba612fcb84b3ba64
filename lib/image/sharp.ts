import type { SharpConstructor } from 'sharp'
import { EfficientDetError } from '../base/errors.js'

/** Loaded on first use, so that a program that only has raw frames needs no decoder. */
export async function loadSharp(): Promise<SharpConstructor> {
  try {
    return (await import('sharp')).default
  } catch (cause) {
    throw new EfficientDetError(
      'ERR_PACKAGE_FILE',
      'Compressed images need the package sharp, which cannot be loaded here. Install it (npm install sharp) or give raw frames.',
      { cause },
    )
  }
}
