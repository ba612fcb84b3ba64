/** A JPEG without its harmless flaws. */
export interface MendedJpeg {
  readonly bytes: Uint8Array
  /** Which flaws it had; one or more. */
  readonly warnings: readonly string[]
}

const [SOI, EOI, SOS, APP0] = [0xd8, 0xd9, 0xda, 0xe0]
const COEFFICIENTS = 64

/** Segments of a file that is mended: cameras and progressive encoders write some hundred. Each takes memory. */
const MAX_SEGMENTS = 10_000

/** Bytes of a file that are looked at, one by one: a fifth of a second. */
const MAX_BYTES = 2 ** 27

/**
 * Mends what is wrong with a JPEG outside its entropy-coded data (ITU-T T.81, annex B). If a decoder then has no
 * warnings, it has found all pixels.
 *
 * @returns null for no JPEG, one without such a flaw, one that ends before a progressive one's last scan, or one too
 *   long to be looked at
 */
export function mendJpeg(jpeg: Uint8Array): MendedJpeg | null {
  if (jpeg[0] !== 0xff || jpeg[1] !== SOI || jpeg.length > MAX_BYTES) return null
  const warnings = new Set<string>()
  const parts: Uint8Array[] = [jpeg.slice(0, 2)]
  const scans = new Scans()
  let at = 2
  let inScan = false
  for (;;) {
    const start = markerFrom(jpeg, at)
    if (start === null) break
    if (start > at) {
      // Whatever precedes a marker is entropy-coded data after a scan header, and garbage elsewhere.
      if (inScan) parts.push(jpeg.subarray(at, start))
      else warnings.add('Bytes that belong to nothing were left out.')
    }
    const marker = jpeg[start + 1]
    if (marker === EOI) {
      if (warnings.size === 0) return null
      parts.push(jpeg.subarray(start))
      return { bytes: Buffer.concat(parts), warnings: [...warnings] }
    }
    at = start + 2 + jpeg[start + 2] * 256 + jpeg[start + 3]
    if (at > jpeg.length || parts.length > MAX_SEGMENTS) return null
    const segment = jpeg.slice(start, at)
    parts.push(segment)
    inScan = marker === SOS
    if (inScan) {
      if (!scans.add(segment)) warnings.add('The scan header has parameters that mean nothing.')
    } else if (isFrameHeader(marker)) {
      scans.begin(segment)
    } else if (marker === APP0 && isJfif(segment) && segment[9] !== 1) {
      segment[9] = 1
      warnings.add('The JFIF header has an unknown version.')
    }
  }
  if (!inScan || !scans.complete) return null
  parts.push(jpeg.subarray(at), Uint8Array.of(0xff, EOI))
  warnings.add('The file ends before its end marker, with all pixels there.')
  return { bytes: Buffer.concat(parts), warnings: [...warnings] }
}

/**
 * Counts the scans of a JPEG. Decoders go over the whole picture for each, and a progressive one may have a thousand of
 * a few bytes.
 */
export function scansOf(jpeg: Uint8Array): number {
  const bytes = jpeg.subarray(0, MAX_BYTES)
  let scans = 0
  for (let at = 2; ; ) {
    const start = markerFrom(bytes, at)
    if (start === null || bytes[start + 1] === EOI) return scans
    if (bytes[start + 1] === SOS) scans++
    at = start + 2 + bytes[start + 2] * 256 + bytes[start + 3]
  }
}

/** What a JPEG's frame header tells. */
export interface JpegHeader {
  /** As stored: EXIF orientation is not applied. */
  readonly width: number
  readonly height: number
  /** 1: grey; 3: colour; 4: CMYK. */
  readonly components: number
  /** Bits of a sample. */
  readonly precision: number
}

/** Reads the frame header; null where there is none before the first scan. */
export function headerOf(jpeg: Uint8Array): JpegHeader | null {
  const bytes = jpeg.subarray(0, MAX_BYTES)
  for (let at = 2; ; ) {
    const start = markerFrom(bytes, at)
    if (start === null || bytes[start + 1] === EOI || bytes[start + 1] === SOS) return null
    at = start + 2 + bytes[start + 2] * 256 + bytes[start + 3]
    if (!isFrameHeader(bytes[start + 1])) continue
    const header = bytes.subarray(start + 4, at)
    if (header.length < 6) return null
    const [precision, highHeight, height, highWidth, width, components] = header
    return { width: highWidth * 256 + width, height: highHeight * 256 + height, components, precision }
  }
}

/** Finds the next marker that has a segment, or EOI; fill bytes before it count as nothing. */
function markerFrom(jpeg: Uint8Array, from: number): number | null {
  for (let at = from; at < jpeg.length; at++) {
    if (jpeg[at] !== 0xff) continue
    const next = jpeg[at + 1]
    const alone = next === 0 || next === 1 || next === 0xff || (next >= 0xd0 && next <= SOI)
    if (next === EOI || (!alone && at + 3 < jpeg.length)) return at
  }
  return null
}

/** Tells SOF0…SOF15 from DHT, JPG and DAC, which lie among them. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
}

function isJfif(segment: Uint8Array): boolean {
  return segment.length > 10 && Buffer.from(segment.subarray(4, 9)).equals(Buffer.from('JFIF\0'))
}

/** Which coefficients the scans hold, and to the last bit or not. */
class Scans {
  /** Coefficients of each component that are there to the last bit; null for a sequential JPEG. */
  #exact: Map<number, Set<number>> | null = null

  /** Whether nothing is left for a further scan to bring. */
  get complete(): boolean {
    if (this.#exact === null) return true
    return [...this.#exact.values()].every((exact) => exact.size === COEFFICIENTS)
  }

  /** @param header SOF: marker, length, precision, height, width, then three bytes for each component */
  begin(header: Uint8Array): void {
    if (header[1] !== 0xc2) return
    const components = Array.from({ length: header[9] ?? 0 }, (_, i) => header[10 + 3 * i])
    this.#exact = new Map(components.map((component) => [component, new Set()]))
  }

  /**
   * @param header SOS: marker, length, two bytes for each component, then which coefficients (first, last) and bits.
   *   Of a sequential JPEG these are put right.
   * @returns whether they were right
   */
  add(header: Uint8Array): boolean {
    const count = header[4] ?? 0
    const parameters = header.subarray(5 + 2 * count, 8 + 2 * count)
    if (this.#exact === null) {
      const right = parameters[0] === 0 && parameters[1] === COEFFICIENTS - 1 && parameters[2] === 0
      parameters.set([0, COEFFICIENTS - 1, 0].slice(0, parameters.length))
      return right
    }
    const [first, last, bits] = parameters
    if ((bits & 15) !== 0) return true
    for (let i = 0; i < count; i++) {
      const exact = this.#exact.get(header[5 + 2 * i])
      for (let k = first; k <= Math.min(last, COEFFICIENTS - 1); k++) exact?.add(k)
    }
    return true
  }
}
