import type { Metadata, Sharp } from 'sharp'
import { EfficientDetError } from '../base/errors.js'
import type { Frame } from './frame.js'
import { checkPixels, imageError } from './refusals.js'
import { loadSharp } from './sharp.js'

/**
 * Decodes a compressed picture, its first page if there are several, into RGB.
 *
 * Colour profiles of RGB pictures are ignored, as the trainers' decoders ignore them; CMYK needs its profile.
 * CMYK of a JPEG counts as inverted, as Adobe's programs write it, with their marker or without.
 * Alpha is dropped, and 16-bit samples are divided by 257. A file that ends early or is damaged is refused
 * rather than completed with invented pixels.
 *
 * @param name how messages call the picture
 * @throws EfficientDetError ERR_IMAGE, ERR_IMAGE_TOO_LARGE
 */
export async function decode(
  source: Uint8Array | Sharp,
  name: string,
  maxPixels: number,
): Promise<{ frame: Frame; pages: number }> {
  const sharp = await loadSharp()
  try {
    const probe = source instanceof Uint8Array ? sharp(source, { limitInputPixels: false }) : source
    const metadata = await probe.metadata()
    checkPixels(name, metadata.width, metadata.pageHeight ?? metadata.height, maxPixels)
    const ignoreIcc = metadata.space !== 'cmyk'
    const pipeline =
      source instanceof Uint8Array
        ? sharp(source, { failOn: 'error', limitInputPixels: maxPixels, ignoreIcc })
        : source.clone()
    return { frame: await pixelsOf(pipeline, metadata, name), pages: metadata.pages ?? 1 }
  } catch (error) {
    if (error instanceof EfficientDetError) throw error
    throw imageError(name, `cannot be decoded (${reasonOf(error)}).`, error)
  }
}

/** A damaged TIFF has a line for every tag. */
const LONGEST_REASON = 300

/** What sharp says, on one line. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  // libvips has one list of reasons for all threads, and another picture may have emptied it.
  if (message === 'Unknown error') return 'it is damaged or ends early'
  const line = message.trim().replace(/\s*\n\s*/g, '; ')
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON)}…` : line
}

async function pixelsOf(pipeline: Sharp, metadata: Metadata, name: string): Promise<Frame> {
  const deep = metadata.depth === 'ushort'
  const upright = pipeline.autoOrient().removeAlpha()
  const { data, info } = await (deep
    ? upright.toColourspace('rgb16').raw({ depth: 'ushort' })
    : upright.toColourspace('srgb').raw({ depth: 'uchar' })
  ).toBuffer({ resolveWithObject: true })
  const { width, channels } = info
  // A pipeline that was told to read all pages stacks them from top to bottom.
  const height = info.pageHeight ?? info.height
  if (channels !== 3 && channels !== 1)
    throw imageError(name, `has ${channels} colour channels; expected 1 or 3.`)
  const samples = width * height * channels
  return {
    data: deep ? toBytes(new Uint16Array(data.buffer, data.byteOffset, samples)) : data.subarray(0, samples),
    format: channels === 3 ? 'rgb' : 'grey',
    width,
    height,
  }
}

/** 0…65535 to 0…255, rounded to nearest. */
function toBytes(samples: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(samples.length)
  for (let i = 0; i < samples.length; i++) bytes[i] = (samples[i] / 257 + 0.5) | 0
  return bytes
}
