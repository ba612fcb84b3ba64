import { crc32 } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { resizeAntialiased } from '#lib/image/antialiased.js'
import type { DeviceFrame } from '#lib/image/frame.js'
import { toRgb } from '#lib/image/rgb.js'
import { readSource, type Source } from '#lib/image/source.js'
import { refusal } from '../helpers/refusal.js'
import { withoutSegment } from './jpeg.js'
import { storedAs } from './orientation.js'
import { bytesOf, largestDifference, picture, references } from './reference.js'

/** Decoded as RGB, whatever the frame's format. */
async function decoded(
  source: Exclude<Source, DeviceFrame>,
): Promise<{ data: number[]; width: number; height: number; pages: number }> {
  const { frame, pages } = await readSource(source, { maxPixels: 1e6 })
  const { data, width, height } = toRgb(frame)
  return { data: [...data], width, height, pages }
}

/** Pixels of 16 × 8 with this many samples each. */
function raw(samples: Uint8Array | Uint16Array, channels: 1 | 2 | 3 | 4): Sharp {
  return sharp(samples, { raw: { width: 16, height: 8, channels } })
}

const RGB = Uint8Array.from(picture(16, 8, 1).data)
const GREY = RGB.subarray(0, 128)
const ALPHA = Uint8Array.from({ length: 128 }, (_, i) => (i % 3) * 100)
const thrice = (grey: ArrayLike<number>) => Array.from(grey).flatMap((sample) => [sample, sample, sample])
const withAlpha = (samples: Uint8Array, channels: number) =>
  Uint8Array.from({ length: 128 * (channels + 1) }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / (channels + 1)), i % (channels + 1)]
    return channel === channels ? ALPHA[pixel] : samples[pixel * channels + channel]
  })

describe('decode, without loss', () => {
  it('reads RGB of PNG, TIFF and WebP', async () => {
    for (const encoded of [
      raw(RGB, 3).png(),
      raw(RGB, 3).tiff({ compression: 'lzw' }),
      raw(RGB, 3).webp({ lossless: true }),
    ]) {
      expect(await decoded(await encoded.toBuffer())).toEqual({
        data: [...RGB],
        width: 16,
        height: 8,
        pages: 1,
      })
    }
  })

  it('lays what is transparent on mid-grey', async () => {
    const onGrey = (samples: Uint8Array) =>
      Array.from(samples, (sample, i) => {
        const alpha = ALPHA[Math.floor((128 * i) / samples.length)] / 255
        return alpha * sample + (1 - alpha) * 128
      })
    const rgba = raw(withAlpha(RGB, 3), 4)
    const rgba16 = sharp(
      Uint16Array.from(withAlpha(RGB, 3), (sample) => 257 * sample),
      { raw: { width: 16, height: 8, channels: 4 } },
    ).toColourspace('rgb16')
    for (const pipeline of [
      rgba.clone().png(),
      rgba.clone().webp({ lossless: true, exact: true }),
      rgba.clone().tiff({ compression: 'lzw' }),
      rgba16.clone().png(),
    ]) {
      const file = await pipeline.toBuffer()
      expect((await sharp(file).metadata()).hasAlpha).toBe(true)
      for (const source of [file, sharp(file), sharp(file).ensureAlpha(), pipeline]) {
        const { data } = await decoded(source)
        expect(largestDifference(data, onGrey(RGB))).toBeLessThanOrEqual(1)
      }
    }
    const greyAlpha = raw(withAlpha(GREY, 1), 2).toColourspace('b-w').png()
    const encoded = await greyAlpha.toBuffer()
    expect(await sharp(encoded).metadata()).toMatchObject({ space: 'b-w', channels: 2 })
    expect(largestDifference((await decoded(encoded)).data, thrice(onGrey(GREY)))).toBeLessThanOrEqual(1)
  })

  it('reads grey as the grey repeated thrice', async () => {
    for (const encoded of [
      raw(GREY, 1).toColourspace('b-w').png(),
      raw(GREY, 1).toColourspace('b-w').tiff({ compression: 'lzw' }),
    ]) {
      const bytes = await encoded.toBuffer()
      expect(await sharp(bytes).metadata()).toMatchObject({ space: 'b-w', channels: 1 })
      expect((await decoded(bytes)).data).toEqual(thrice(GREY))
    }
  })

  it('reads grey JPEG', async () => {
    const jpeg = await sharp(new Uint8Array(128).fill(77), { raw: { width: 16, height: 8, channels: 1 } })
      .toColourspace('b-w')
      .jpeg()
      .toBuffer()
    expect(await sharp(jpeg).metadata()).toMatchObject({ space: 'b-w', channels: 1 })
    expect((await decoded(jpeg)).data).toEqual(Array(384).fill(77))
  })

  it('reads one bit per pixel, and palettes', async () => {
    const bits = GREY.map((sample) => (sample & 1 ? 255 : 0))
    const png = await raw(bits, 1).png({ palette: true, colours: 2 }).toBuffer()
    expect(png[24]).toBe(1)
    expect((await decoded(png)).data).toEqual(thrice(bits))
    const tiff = await raw(bits, 1).toColourspace('b-w').tiff({ bitdepth: 1, compression: 'none' }).toBuffer()
    expect((await decoded(tiff)).data).toEqual(thrice(bits))
    // A PNG of one grey bit, 8 × 1, from Pillow.
    const pillow =
      'iVBORw0KGgoAAAANSUhEUgAAAAgAAAABAQAAAADLe9LuAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=='
    expect(await decoded(bytesOf(pillow))).toEqual({
      data: thrice([255, 0, 0, 0, 0, 0, 0, 0]),
      width: 8,
      height: 1,
      pages: 1,
    })
  })

  it('scales 16 bits by 1/257, rounded, neither clipped nor cut to a byte', async () => {
    const low = Uint16Array.from(RGB, (sample) => 257 * sample)
    // 128 more is nearer the next level but 257 · 255 has none above it.
    const high = Uint16Array.from(RGB, (sample) => Math.min(65535, 257 * sample + 129))
    for (const [samples, expected] of [
      [low, [...RGB]],
      [high, Array.from(RGB, (sample) => Math.min(255, sample + 1))],
    ] as const) {
      const rgb = await raw(samples, 3).toColourspace('rgb16').png().toBuffer()
      expect(rgb[24]).toBe(16)
      expect((await decoded(rgb)).data).toEqual(expected)
      expect((await decoded(sharp(rgb))).data).toEqual(expected)
      const grey = await raw(samples.subarray(0, 128), 1).toColourspace('grey16').png().toBuffer()
      expect(grey[24]).toBe(16)
      expect((await decoded(grey)).data).toEqual(thrice(expected.slice(0, 128)))
      const tiff = await raw(samples, 3).toColourspace('rgb16').tiff({ compression: 'lzw' }).toBuffer()
      expect((await decoded(tiff)).data).toEqual(expected)
    }
  })

  it('keeps a narrow band of 16 bits narrow', async () => {
    const band = Uint16Array.from({ length: 128 }, (_, i) => 51241 + Math.round((i * 940) / 127))
    const { data } = await decoded(await raw(band, 1).toColourspace('grey16').png().toBuffer())
    expect([Math.min(...data), Math.max(...data)]).toEqual([199, 203])
  })

  it('ignores the colour profiles of RGB pictures, as trainers do', async () => {
    // Red of sRGB in the coordinates of Display P3: 234, 51, 35.
    const red = sharp({ create: { width: 4, height: 4, channels: 3, background: '#f00' } })
    const png = await red.withIccProfile('p3').png().toBuffer()
    expect((await sharp(png).metadata()).hasProfile).toBe(true)
    expect(largestDifference((await decoded(png)).data.slice(0, 3), [234, 51, 35])).toBeLessThanOrEqual(1)
  })
})

interface Reference {
  readonly name: string
  readonly file: string
  readonly width: number
  readonly height: number
  /** None where nothing says which samples are black and white. */
  readonly pixels: string | null
}

describe('decode, compared with Pillow', () => {
  it.each(references<Reference>('decoded.json'))(
    'gives the same pixels: $name',
    async ({ file, width, height, pixels }) => {
      const bytes = bytesOf(file)
      for (const source of [bytes, sharp(bytes), sharp(bytes).ensureAlpha()]) {
        if (pixels === null) {
          await expect(decoded(source)).rejects.toThrow(
            refusal('ERR_IMAGE', /has .+ samples, of which nothing says which are black and white/),
          )
          continue
        }
        const read = await decoded(source)
        expect([read.width, read.height]).toEqual([width, height])
        // What is transparent in part is rounded in another way.
        expect(largestDifference(read.data, bytesOf(pixels))).toBeLessThanOrEqual(1)
      }
    },
  )
})

describe('decode, of sharp pipelines', () => {
  const files: [string, () => Promise<Buffer>][] = [
    ['grey', () => raw(GREY, 1).toColourspace('b-w').png().toBuffer()],
    ['grey and alpha', () => raw(withAlpha(GREY, 1), 2).toColourspace('b-w').png().toBuffer()],
    ['RGB', () => raw(RGB, 3).png().toBuffer()],
    ['RGB and alpha', () => raw(withAlpha(RGB, 3), 4).png().toBuffer()],
    ['CMYK', () => raw(RGB, 3).toColourspace('cmyk').tiff({ compression: 'lzw' }).toBuffer()],
    [
      'RGB of 16 bits',
      () =>
        raw(
          Uint16Array.from(RGB, (sample) => 255 * sample),
          3,
        )
          .toColourspace('rgb16')
          .png()
          .toBuffer(),
    ],
  ]

  it.each(files)('gives what the file gives: %s', async (_, encode) => {
    const file = await encode()
    const expected = await decoded(file)
    for (const source of [sharp(file), sharp(file).ensureAlpha()]) {
      const { data } = await decoded(source)
      expect(largestDifference(data, expected.data)).toBe(0)
    }
  })

  it('takes what a pipeline makes of several files or of none', async () => {
    const [file, other] = await Promise.all(
      [RGB, Uint8Array.from([...RGB].reverse())].map((data) => raw(data, 3).png().toBuffer()),
    )
    const joined = await decoded(sharp([file, other], { join: { across: 2 } }))
    expect([joined.width, joined.height]).toEqual([32, 8])
    expect(joined.data.slice(0, 48)).toEqual([...RGB.subarray(0, 48)])
    const made = sharp({ create: { width: 2, height: 1, channels: 4, background: '#ff0000' } })
    expect((await decoded(made)).data).toEqual([255, 0, 0, 255, 0, 0])
    expect((await decoded(sharp(file).extractChannel(1))).data.slice(0, 3)).toEqual(thrice([RGB[1]]))
    expect(
      (await decoded(sharp(file).joinChannel(await raw(ALPHA, 1).toColourspace('b-w').png().toBuffer())))
        .data,
    ).toEqual((await decoded(raw(withAlpha(RGB, 3), 4))).data)
  })

  it('holds maxPixels for what several files are joined to', async () => {
    const file = await raw(RGB, 3).png().toBuffer()
    const joined = () => sharp([file, file], { join: { across: 2 } })
    await expect(readSource(joined(), { maxPixels: 255 })).rejects.toThrow(
      refusal('ERR_IMAGE_TOO_LARGE', /32×8/),
    )
    await expect(readSource(joined(), { maxPixels: 256 })).resolves.toMatchObject({ frame: { width: 32 } })
  })
})

describe('decode, with EXIF orientation', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('shows orientation %i as a viewer does', async (orientation) => {
    const [width, height] = [16, 8]
    const stored = storedAs(orientation, { data: RGB, width, height })
    const encoder = sharp(stored.data, { raw: { width: stored.width, height: stored.height, channels: 3 } })
      .withMetadata({ orientation })
      .webp({ lossless: true })
    const encoded = await encoder.toBuffer()
    const expected = { data: [...RGB], width, height, pages: 1 }
    expect(await decoded(encoded)).toEqual(expected)
    expect(await decoded(sharp(encoded))).toEqual(expected)
    // A pipeline that has turned it upright itself is not turned twice.
    expect(await decoded(sharp(encoded).autoOrient())).toEqual(expected)
  })
})

describe('decode, of CMYK', () => {
  const colours = { red: [200, 60, 40], light: [230, 225, 210], dark: [30, 35, 40] } as const

  it.each(Object.entries(colours))('finds %s again through the standard profile', async (_, [r, g, b]) => {
    const cmyk = sharp({
      create: { width: 16, height: 16, channels: 3, background: { r, g, b } },
    }).toColourspace('cmyk')
    const jpeg = await cmyk.clone().jpeg({ quality: 100 }).toBuffer()
    expect(await sharp(jpeg).metadata()).toMatchObject({ space: 'cmyk', channels: 4 })
    const unmarked = withoutSegment(jpeg, 0xee)
    expect(unmarked.length).toBe(jpeg.length - 16)
    for (const bytes of [jpeg, unmarked, await cmyk.clone().tiff({ compression: 'lzw' }).toBuffer()]) {
      const { data } = await decoded(bytes)
      expect(data).toHaveLength(16 * 16 * 3)
      // Print colours are fewer than screen colours, so saturated ones come back duller.
      expect(largestDifference(data.slice(0, 3), [r, g, b])).toBeLessThan(40)
    }
  })
})

describe('decode, of several pages', () => {
  const frames = [1, 2, 3].map((seed) => Uint8Array.from(picture(16, 8, seed).data))
  const joined = async (): Promise<Sharp> =>
    sharp(await Promise.all(frames.map((data) => raw(data, 3).png().toBuffer())), {
      join: { animated: true },
    })

  it('takes the first and counts them', async () => {
    const webp = await (await joined()).webp({ lossless: true }).toBuffer()
    expect((await sharp(webp).metadata()).pages).toBe(3)
    const first = { data: [...frames[0]], width: 16, height: 8, pages: 3 }
    expect(await decoded(webp)).toEqual(first)
    expect(await decoded(sharp(webp))).toEqual(first)
  })

  it('takes the first of a pipeline that reads all', async () => {
    const webp = await (await joined()).webp({ lossless: true }).toBuffer()
    expect((await sharp(webp, { animated: true }).metadata()).height).toBe(24)
    expect(await decoded(sharp(webp, { animated: true }))).toEqual({
      data: [...frames[0]],
      width: 16,
      height: 8,
      pages: 3,
    })
  })

  it('takes the page that a pipeline asks for', async () => {
    const webp = await (await joined()).webp({ lossless: true }).toBuffer()
    expect((await decoded(sharp(webp, { page: 2 }))).data).toEqual([...frames[2]])
  })

  it('has the size of one frame of a GIF', async () => {
    const gif = await (await joined()).gif().toBuffer()
    for (const source of [gif, sharp(gif, { animated: true })]) {
      expect(await decoded(source)).toMatchObject({ width: 16, height: 8, pages: 3 })
    }
  })

  it('counts the pixels of one page only', async () => {
    const webp = await (await joined()).webp({ lossless: true }).toBuffer()
    for (const source of [webp, sharp(webp, { animated: true })]) {
      await expect(readSource(source, { maxPixels: 128 })).resolves.toMatchObject({ pages: 3 })
      await expect(readSource(source, { maxPixels: 127 })).rejects.toThrow(
        refusal('ERR_IMAGE_TOO_LARGE', /16×8/),
      )
    }
  })
})

describe('decode refuses', () => {
  it('what ends early, rather than inventing the rest', async () => {
    const noise = sharp(picture(64, 64, 1).data, { raw: { width: 64, height: 64, channels: 3 } })
    for (const bytes of [
      await noise.clone().jpeg().toBuffer(),
      await noise.clone().png().toBuffer(),
      await noise.clone().webp({ lossless: true }).toBuffer(),
      await noise.clone().tiff({ compression: 'lzw' }).toBuffer(),
      await noise.clone().gif().toBuffer(),
    ]) {
      for (const part of [0.6, 0.9]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * part))
        await expect(readSource(cut, { maxPixels: 1e6 })).rejects.toThrow(
          refusal('ERR_IMAGE', /^The picture cannot be decoded \(/),
        )
      }
    }
  })

  it('a header that promises more than the limit, whatever follows it', async () => {
    const png = await raw(RGB, 3).png().toBuffer()
    const claim = Buffer.from(png)
    claim.writeUInt32BE(30_000, 16)
    claim.writeUInt32BE(19_043, 20)
    claim.writeUInt32BE(crc32(claim.subarray(12, 29)), 29)
    await expect(readSource(claim, { maxPixels: 16383 ** 2 })).rejects.toThrow(
      refusal('ERR_IMAGE_TOO_LARGE', /30000×19043, 571290000 pixels; at most 268402689 are decoded/),
    )
    // Where the limit allows it, the lack of data is noticed.
    await expect(readSource(claim, { maxPixels: 1e9 })).rejects.toThrow(
      refusal('ERR_IMAGE', /cannot be decoded/),
    )
  })
})

describe('decode, shrinking', () => {
  const INPUT = { width: 64, height: 64 }
  /** A smooth picture, which a decoder shrinks as a resize does. */
  const smooth = (width: number, height: number) => {
    const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
      return [255 * (x / width), 255 * (y / height), 128][i % 3]
    })
    return sharp(data, { raw: { width, height, channels: 3 } })
  }
  const shrunk = (source: Uint8Array) => readSource(source, { maxPixels: 1e7, shrinkFor: INPUT })

  it('gives a large JPEG the size that it has in the input, and tells its own', async () => {
    const jpeg = await smooth(640, 320).jpeg({ quality: 95 }).toBuffer()
    const { frame, size, warnings } = await shrunk(jpeg)
    expect([frame.width, frame.height, size, warnings]).toEqual([64, 32, { width: 640, height: 320 }, []])
    const exact = await readSource(jpeg, { maxPixels: 1e7 })
    const resized = resizeAntialiased(toRgb(exact.frame), frame)
    expect(largestDifference(frame.data, resized.data)).toBeLessThan(4)
  })

  it('turns it as its orientation says', async () => {
    const jpeg = await smooth(640, 320).jpeg().withMetadata({ orientation: 6 }).toBuffer()
    const { frame, size } = await shrunk(jpeg)
    expect([frame.width, frame.height, size]).toEqual([32, 64, { width: 320, height: 640 }])
  })

  it.each([
    ['a JPEG of less than three times the input', smooth(191, 100).jpeg()],
    ['a file of another format', smooth(640, 320).png()],
  ])('leaves %s alone', async (_, encoded) => {
    const file = await encoded.toBuffer()
    const { frame, size } = await shrunk(file)
    const exact = await readSource(file, { maxPixels: 1e7 })
    expect(size).toEqual({ width: exact.frame.width, height: exact.frame.height })
    expect(Buffer.from(frame.data).equals(Buffer.from(exact.frame.data))).toBe(true)
  })

  it('refuses a damaged one all the same, or takes what there is', async () => {
    const jpeg = await smooth(640, 320).jpeg().toBuffer()
    const cut = jpeg.subarray(0, jpeg.length / 2)
    await expect(shrunk(cut)).rejects.toThrow(refusal('ERR_IMAGE', /cannot be decoded/))
    const options = { maxPixels: 1e7, shrinkFor: INPUT, damaged: 'accept' } as const
    const { frame, size, warnings } = await readSource(cut, options)
    expect([frame.width, size.width, warnings.length]).toEqual([64, 640, 1])
  })
})
