import { describe, expect, it } from 'vitest'
import { resizeBilinear } from '#lib/image/bilinear.js'
import { floatsOf, largestDifference, picture, references } from './reference.js'

interface Case {
  readonly from: readonly [width: number, height: number]
  readonly to: readonly [width: number, height: number]
  readonly seed: number
  /** OpenCV's answer, float32. */
  readonly values: string
}

describe('resizeBilinear', () => {
  it.each(references<Case>('bilinear.json'))(
    'is OpenCV within 1e-4 of the range: $from to $to',
    ({ from, to, seed, values }) => {
      const [width, height] = to
      const resized = resizeBilinear(picture(...from, seed), { width, height })
      expect(largestDifference(resized, floatsOf(values))).toBeLessThan(255e-4)
    },
  )

  it('takes four neighbours only, however much it shrinks', () => {
    // One white column between the samples at 1½ and 4½ of every 3: a filter would see it.
    const width = 9
    const data = new Uint8Array(width * 3)
    for (const x of [0, 2, 3, 5, 6, 8]) data.fill(255, x * 3, x * 3 + 3)
    expect([...resizeBilinear({ data, width, height: 1 }, { width: 3, height: 1 })]).toEqual(Array(9).fill(0))
  })
})
