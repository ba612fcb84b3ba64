import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import { planesOf } from '#lib/image/frame.js'
import { readSource } from '#lib/image/source.js'
import { cpuTime } from '../helpers/cpu-time.js'
import { accidents, damaged } from '../helpers/damage.js'
import fc from '../helpers/fast-check.js'

/** Far above the picture itself, far below what a damaged header may claim. */
const MAX_PIXELS = 4e6
/** An image of the limit takes 12 MB. */
const MAX_GROWTH = 300e6

const person = () => sharp('models/person/person.jpg').resize({ width: 96 })

/** What becomes of damaged bytes: `frame`, or the code of the error. */
async function outcome(bytes: Uint8Array): Promise<string> {
  try {
    const { frame, pages } = await readSource(bytes, { maxPixels: MAX_PIXELS })
    // Throws if there are fewer bytes than its size asks for.
    planesOf(frame)
    const samples = frame.width * frame.height * (frame.format === 'rgb' ? 3 : 1)
    expect(frame.data.length).toBe(samples)
    expect(frame.width * frame.height).toBeLessThanOrEqual(MAX_PIXELS)
    expect(pages).toBeGreaterThan(0)
    return 'frame'
  } catch (error) {
    if (!(error instanceof EfficientDetError)) throw error
    expect(error.message.length).toBeLessThan(500)
    return error.code
  }
}

/** A PNG whose checksums are right again, so that damage gets past them. */
function mended(png: Uint8Array): Uint8Array {
  const bytes = Buffer.from(png)
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at)
    if (end + 4 > bytes.length) break
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, end)), end)
    at = end + 4
  }
  return bytes
}

const asIs = (bytes: Uint8Array) => bytes

describe('damaged images', () => {
  it.each([
    ['JPEG', () => person().jpeg().toBuffer(), asIs],
    ['progressive JPEG', () => person().jpeg({ progressive: true }).toBuffer(), asIs],
    ['PNG', () => person().png({ palette: true, colours: 32 }).toBuffer(), asIs],
    ['PNG with right checksums', () => person().resize(48).png().toBuffer(), mended],
    ['PNG of 16 bits', () => person().resize(24).toColourspace('rgb16').png().toBuffer(), mended],
    ['WebP', () => person().webp().toBuffer(), asIs],
    ['GIF', () => person().gif().toBuffer(), asIs],
    ['TIFF', () => person().resize(24).tiff({ compression: 'lzw' }).toBuffer(), asIs],
  ] as const)('give a frame or an error of images: %s with any accidents', async (_, encode, mend) => {
    const bytes = await encode()
    expect(await outcome(bytes)).toBe('frame')
    const outcomes = new Set<string>()
    const before = process.memoryUsage().rss
    await fc.assert(
      fc.asyncProperty(accidents, async (happened) => {
        const begun = cpuTime()
        const result = await outcome(mend(damaged(bytes, happened)))
        expect(['frame', 'ERR_IMAGE', 'ERR_IMAGE_TOO_LARGE']).toContain(result)
        expect(cpuTime() - begun).toBeLessThan(5000)
        outcomes.add(result)
      }),
    )
    expect([...outcomes]).toContain('ERR_IMAGE')
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH)
  })

  it('that claim to be huge are refused by their headers', async () => {
    const jpeg = await person().jpeg().toBuffer()
    const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0))
    jpeg.writeUInt16BE(30_000, frame + 5)
    jpeg.writeUInt16BE(30_000, frame + 7)
    const before = process.memoryUsage().rss
    for (let i = 0; i < 100; i++) expect(await outcome(jpeg)).toBe('ERR_IMAGE_TOO_LARGE')
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6)
  })
})
