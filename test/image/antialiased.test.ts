import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { resizeAntialiased } from '#lib/image/antialiased.js'
import { bytesOf, largestDifference, picture, references } from './reference.js'

interface Case {
  readonly from: readonly [width: number, height: number]
  readonly to: readonly [width: number, height: number]
  readonly seed: number
  /** Pillow's answer, or of long ones the digest. */
  readonly pixels?: string
  readonly sha256?: string
}

describe('resizeAntialiased', () => {
  it.each(references<Case>('antialiased.json'))(
    'is Pillow, bit for bit: $from to $to',
    ({ from, to, seed, pixels, sha256 }) => {
      const [width, height] = to
      const resized = resizeAntialiased(picture(...from, seed), { width, height })
      expect([resized.width, resized.height]).toEqual(to)
      if (pixels === undefined) expect(createHash('sha256').update(resized.data).digest('hex')).toBe(sha256)
      else expect(largestDifference(resized.data, bytesOf(pixels))).toBe(0)
    },
  )

  it.each([
    [4000, 1, 320, 1],
    [1, 4000, 1, 320],
    [7, 5, 513, 511],
    [99, 101, 98, 3],
  ])('keeps white white: %i×%i to %i×%i', (width, height, newWidth, newHeight) => {
    // A sum of weights above 1 would wrap from 255 to 0.
    const white = { data: new Uint8Array(width * height * 3).fill(255), width, height }
    const { data } = resizeAntialiased(white, { width: newWidth, height: newHeight })
    expect(data.every((sample) => sample === 255)).toBe(true)
  })

  it('stays one level short of white where Pillow does, over a million samples', () => {
    const width = 1_000_003
    const white = { data: new Uint8Array(width * 3).fill(255), width, height: 1 }
    expect([...resizeAntialiased(white, { width: 1, height: 1 }).data]).toEqual([254, 254, 254])
  })

  it('leaves its source as it was', () => {
    const source = picture(20, 10, 3)
    const before = source.data.slice()
    resizeAntialiased(source, { width: 9, height: 14 })
    expect(source.data).toEqual(before)
  })
})
