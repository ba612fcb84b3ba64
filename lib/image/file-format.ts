import { imageError } from './refusals.js'

/** Kinds of files that are decoded, each by one decoder. */
export type FileFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'gif' | 'tiff'

/** Bytes of a file's beginning that tell what it is. */
export const HEAD_BYTES = 512

/** How files begin, as Latin-1; a question mark is any byte. */
const FORMATS: readonly (readonly [beginning: string, format: FileFormat])[] = [
  ['\xff\xd8', 'jpeg'],
  ['\x89PNG\r\n\x1a\n', 'png'],
  ['RIFF????WEBP', 'webp'],
  ['GIF87a', 'gif'],
  ['GIF89a', 'gif'],
  ['II*\0', 'tiff'],
  ['MM\0*', 'tiff'],
  ['II+\0', 'tiff'],
  ['MM\0+', 'tiff'],
]

const CONVERT = 'Save it as PNG or JPEG.'
const DOWNLOAD = 'Look at it, or download it again.'
const UNPACK = 'compressed, or an archive. Unpack it first.'
const VIDEO = 'a video. Give its pictures.'
const BASE64 = "base64 and not bytes. Give Buffer.from(text, 'base64')."

/** What else is given for pictures, for sentences that begin with "is". */
const FOREIGN: readonly (readonly [beginning: string, what: string])[] = [
  ['%PDF', `a PDF document. ${CONVERT}`],
  ['BM????\0\0\0\0', `a BMP file. ${CONVERT}`],
  ['\xff\x0a', `a JPEG XL file. ${CONVERT}`],
  ['\0\0\0\x0cJXL ', `a JPEG XL file. ${CONVERT}`],
  ['\0\0\0\x0cjP  ', `a JPEG 2000 file. ${CONVERT}`],
  ['\xff\x4f\xff\x51', `a JPEG 2000 file. ${CONVERT}`],
  ['8BPS', `a Photoshop file. ${CONVERT}`],
  ['\0\0\x01\0', `an icon. ${CONVERT}`],
  ['v/1\x01', `an OpenEXR file. ${CONVERT}`],
  ['#?RADIANCE', `a Radiance file. ${CONVERT}`],
  ...['1', '2', '3', '4', '5', '6', '7'].map((kind) => [`P${kind}\n`, `a PNM file. ${CONVERT}`] as const),
  ['\x1aE\xdf\xa3', VIDEO],
  ['RIFF????AVI ', VIDEO],
  ['????ftyp', VIDEO],
  ['\x1f\x8b', UNPACK],
  ['PK\x03\x04', UNPACK],
  ['version https://git-lfs', 'a Git LFS pointer. Run "git lfs pull" in its repository.'],
  ['/9j/', BASE64],
  ['iVBORw0KGgo', BASE64],
  ['R0lGOD', BASE64],
  ['UklGR', BASE64],
  ['\0'.repeat(16), `empty: it begins with zeros. ${DOWNLOAD}`],
]

/**
 * Tells what a file is by its beginning, whatever its name. Only what is listed reaches a decoder: each more, such as
 * SVG's, is a door for strangers.
 *
 * @param head the first `HEAD_BYTES` or more, or all of a shorter file
 * @throws EfficientDetError ERR_IMAGE with what it is instead
 */
export function checkFormat(name: string, head: Uint8Array): FileFormat {
  const length = Math.min(head.length, HEAD_BYTES)
  const text = Buffer.from(head.buffer, head.byteOffset, length).toString('latin1')
  const format = FORMATS.find(([beginning]) => beginsWith(text, beginning))?.[1] ?? avif(text)
  if (format !== null) return format
  throw imageError(name, `is ${foreign(text)} Pictures are JPEG, PNG, WebP, AVIF, GIF or TIFF.`)
}

function beginsWith(text: string, beginning: string): boolean {
  for (let i = 0; i < beginning.length; i++) {
    if (beginning[i] !== '?' && beginning[i] !== text[i]) return false
  }
  return true
}

/** Brands of stills in HEVC and other codecs. */
const HEIF: ReadonlySet<string> = new Set([
  ...['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'mif2', 'msf1', 'avci', 'vvic', 'j2ki'],
])

function avif(text: string): FileFormat | null {
  return brandsOf(text).some((brand) => brand === 'avif' || brand === 'avis') ? 'avif' : null
}

function foreign(text: string): string {
  if (brandsOf(text).some((brand) => HEIF.has(brand))) return `a HEIC file. ${CONVERT}`
  const known = FOREIGN.find(([beginning]) => beginsWith(text, beginning))
  if (known !== undefined) return known[1]
  if (/^(\xef\xbb\xbf)?\s*</.test(text)) {
    return text.includes('<svg') ? `an SVG drawing. ${CONVERT}` : `a web page or XML. ${DOWNLOAD}`
  }
  return `of an unknown kind. ${DOWNLOAD}`
}

/** Brands of an ISO media file: the main one, and those it is compatible with. */
function brandsOf(text: string): string[] {
  if (text.slice(4, 8) !== 'ftyp') return []
  const end = Math.min(Buffer.from(text.slice(0, 4), 'latin1').readUInt32BE(), text.length)
  const brands = [text.slice(8, 12)]
  for (let at = 16; at + 4 <= end; at += 4) brands.push(text.slice(at, at + 4))
  return brands
}
