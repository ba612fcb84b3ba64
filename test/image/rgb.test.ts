import { describe, expect, it } from 'vitest'
import type { PixelFormat } from '#lib/image/frame.js'
import { toRgb } from '#lib/image/rgb.js'
import type { YuvMatrix, YuvRange } from '#lib/image/yuv.js'
import { bytesOf, largestDifference, references } from './reference.js'

/** Three by two pixels, and the same in every interleaved order; 99 is alpha. */
const RGB = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
const PIXELS: Partial<Record<PixelFormat, readonly number[]>> = {
  rgb: RGB,
  bgr: [3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10, 15, 14, 13, 18, 17, 16],
  rgba: [1, 2, 3, 99, 4, 5, 6, 99, 7, 8, 9, 99, 10, 11, 12, 99, 13, 14, 15, 99, 16, 17, 18, 99],
  bgra: [3, 2, 1, 99, 6, 5, 4, 99, 9, 8, 7, 99, 12, 11, 10, 99, 15, 14, 13, 99, 18, 17, 16, 99],
}

/** Rows with a gap of 0xee after each. */
function spread(bytes: readonly number[], rowBytes: number, stride: number): Uint8Array {
  const rows = bytes.length / rowBytes
  const result = new Uint8Array(rows * stride).fill(0xee)
  for (let y = 0; y < rows; y++) result.set(bytes.slice(y * rowBytes, (y + 1) * rowBytes), y * stride)
  return result
}

describe('toRgb, of interleaved formats', () => {
  it.each(Object.entries(PIXELS) as [PixelFormat, number[]][])(
    'reads %s, with and without gaps',
    (format, bytes) => {
      const frame = { format, width: 3, height: 2 }
      expect([...toRgb({ ...frame, data: Uint8Array.from(bytes) }).data]).toEqual(RGB)
      const stride = bytes.length / 2 + 5
      const data = spread(bytes, bytes.length / 2, stride)
      expect([...toRgb({ ...frame, data, stride }).data]).toEqual(RGB)
      // The gap after the last row is not needed.
      expect([...toRgb({ ...frame, data: data.subarray(0, -5), stride }).data]).toEqual(RGB)
    },
  )

  it('repeats grey thrice', () => {
    const frame = { format: 'grey', width: 2, height: 2 } as const
    const grey = [1, 1, 1, 255, 255, 255, 0, 0, 0, 128, 128, 128]
    expect([...toRgb({ ...frame, data: Uint8Array.of(1, 255, 0, 128) }).data]).toEqual(grey)
    const data = Uint8Array.of(1, 255, 7, 7, 0, 128)
    expect([...toRgb({ ...frame, data, stride: 4 }).data]).toEqual(grey)
  })

  it('reads a view that begins within its buffer', () => {
    const data = Uint8Array.of(9, 9, 9, 9, 9, 3, 2, 1).subarray(5)
    expect([...toRgb({ data, format: 'bgr', width: 1, height: 1 }).data]).toEqual([1, 2, 3])
  })
})

interface Case {
  readonly format: 'nv12' | 'i420'
  readonly width: number
  readonly height: number
  readonly data: string
  /** OpenCV's answer, in fixed point. */
  readonly rgb: string
}

interface ColourCase {
  readonly matrix: YuvMatrix
  readonly range: YuvRange
  readonly lumas: readonly number[]
  readonly chromas: readonly number[]
  /** FFmpeg's answer: for each luma, each U, each V. */
  readonly rgb: string
}

describe('toRgb, of planes of luma and chroma', () => {
  const cases = references<Case>('yuv.json')

  it.each(cases)('is OpenCV within one level: $format $width×$height', ({ data, rgb, ...frame }) => {
    const picture = toRgb({ ...frame, data: bytesOf(data) })
    expect(largestDifference(picture.data, bytesOf(rgb))).toBeLessThanOrEqual(1)
  })

  it.each(cases)('reads rows with gaps alike: $format $width×$height', ({ data, rgb: _, ...frame }) => {
    const { format, width, height } = frame
    const dense = bytesOf(data)
    const stride = width + 6
    const luma = spread([...dense.subarray(0, width * height)], width, stride)
    const chroma =
      format === 'nv12'
        ? spread([...dense.subarray(width * height)], width, stride)
        : spread([...dense.subarray(width * height)], width / 2, stride / 2)
    const gaps = { ...frame, data: Uint8Array.from([...luma, ...chroma]), stride }
    expect(toRgb(gaps).data).toEqual(toRgb({ ...frame, data: dense }).data)
  })

  it.each(['nv12', 'i420'] as const)('gives the odd last column and row of %s their own chroma', (format) => {
    // 3×3 with grey luma; only the chroma of the bottom right corner is blue (V low, U high).
    const luma = Array(9).fill(128)
    const u = [128, 128, 128, 240]
    const v = [128, 128, 128, 110]
    const chroma = format === 'i420' ? [...u, ...v] : u.flatMap((sample, i) => [sample, v[i]])
    const { data } = toRgb({ data: Uint8Array.from([...luma, ...chroma]), format, width: 3, height: 3 })
    const pixels = Array.from({ length: 9 }, (_, i) => [...data.subarray(3 * i, 3 * i + 3)])
    // ITU-R BT.601: 255/219 · (128 − 16) = 130.4; blue is beyond the range.
    expect(pixels.slice(0, 8)).toEqual(Array(8).fill([130, 130, 130]))
    expect(pixels[8]).toEqual([102, 101, 255])
  })

  it.each(references<ColourCase>('colours.json'))(
    'is FFmpeg within one level: $matrix in $range range',
    ({ matrix, range, lumas, chromas, rgb }) => {
      const samples = lumas.flatMap((y) => chromas.flatMap((u) => chromas.map((v) => [y, u, v])))
      const colours = samples.map((yuv) => {
        const data = Uint8Array.from(yuv)
        return [...toRgb({ data, format: 'i420', width: 1, height: 1, matrix, range }).data]
      })
      expect(largestDifference(colours.flat(), bytesOf(rgb))).toBeLessThanOrEqual(1)
    },
  )

  it('takes BT.601 in limited range where a frame does not say', () => {
    const frame = { data: Uint8Array.of(81, 90, 240), format: 'i420', width: 1, height: 1 } as const
    expect(toRgb(frame)).toEqual(toRgb({ ...frame, matrix: 'bt601', range: 'limited' }))
    expect(toRgb(frame)).not.toEqual(toRgb({ ...frame, matrix: 'bt709' }))
    expect(toRgb(frame)).not.toEqual(toRgb({ ...frame, range: 'full' }))
  })

  it.each([
    [16, 128, 128, [0, 0, 0]],
    [235, 128, 128, [255, 255, 255]],
    [0, 128, 128, [0, 0, 0]],
    [255, 128, 128, [255, 255, 255]],
    // Pure colours of ITU-R BT.601, limited range.
    [81, 90, 240, [254, 0, 0]],
    [145, 54, 34, [0, 255, 1]],
    [41, 240, 110, [0, 0, 255]],
  ])('reads Y %i, U %i, V %i', (y, u, v, rgb) => {
    const { data } = toRgb({ data: Uint8Array.of(y, u, v), format: 'i420', width: 1, height: 1 })
    expect(largestDifference(data, rgb)).toBeLessThanOrEqual(1)
  })
})
