import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { headerOf } from '#lib/image/jpeg.js'

const blank = (channels: 3 | 4) =>
  sharp({ create: { width: 300, height: 20, channels, background: '#204060' } })

describe('headerOf', () => {
  it.each([
    ['colour', blank(3).jpeg(), 3],
    ['progressive', blank(3).jpeg({ progressive: true }), 3],
    ['grey', blank(3).toColourspace('b-w').jpeg(), 1],
    ['CMYK', blank(3).toColourspace('cmyk').jpeg(), 4],
    ['with metadata before it', blank(3).withMetadata({ orientation: 6, icc: 'p3' }).jpeg(), 3],
  ])('tells the size and components of a JPEG: %s', async (_, jpeg, components) => {
    const header = headerOf(await jpeg.toBuffer())
    expect(header).toEqual({ width: 300, height: 20, components, precision: 8 })
  })

  it('tells nothing where the header is missing, or comes too late', async () => {
    const jpeg = await blank(3).jpeg().toBuffer()
    const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0))
    expect(headerOf(jpeg.subarray(0, frame + 6))).toBeNull()
    const scan = jpeg.indexOf(Buffer.of(0xff, 0xda))
    expect(headerOf(Buffer.concat([jpeg.subarray(0, 2), jpeg.subarray(scan)]))).toBeNull()
  })
})
