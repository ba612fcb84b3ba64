import { describe, expect, it } from 'vitest'
import { float16ToFloat32, float32ToFloat16 } from '#lib/base/float16.js'
import { roundToHalf } from '#lib/weights/fp16-rounding.js'
import { random } from '../helpers/random.js'

describe('rounding weights to half precision', () => {
  const rng = random(5)
  const values = Float32Array.from({ length: 64 * 500 }, () => (rng.float() - 0.5) * 2 ** (rng.int(20) - 17))

  it('gives half numbers, within one rounding of the weights', () => {
    const rounded = roundToHalf(values, 64)
    expect(float16ToFloat32(float32ToFloat16(rounded))).toEqual(rounded)
    for (let i = 0; i < values.length; i++) {
      // A unit in the last place of what is rounded, and the carry of a larger neighbour (below 2⁻¹¹ · 2²).
      expect(Math.abs(rounded[i] - values[i])).toBeLessThanOrEqual(2 ** -10 * Math.abs(values[i]) + 2 ** -9)
    }
  })

  it('keeps the sum of each filter, which rounding one by one does not', () => {
    const alone = float16ToFloat32(float32ToFloat16(values))
    const carried = roundToHalf(values, 64)
    const worst = (rounded: Float32Array) => {
      let most = 0
      for (let filter = 0; filter < 64; filter++) {
        let error = 0
        for (let i = filter * 500; i < (filter + 1) * 500; i++) error += rounded[i] - values[i]
        most = Math.max(most, Math.abs(error))
      }
      return most
    }
    expect(worst(carried)).toBeLessThan(2 ** -10)
    expect(worst(carried)).toBeLessThan(worst(alone) / 2)
  })

  it.each([0, -0, 1, -65504, 65519, 6e-8, -2e-8, 2 ** -14])('rounds %d to the nearest', (value) => {
    const [nearest] = float16ToFloat32(float32ToFloat16(Float32Array.of(Math.min(value, 65504))))
    expect(roundToHalf(Float32Array.of(value), 1)[0] + 0).toBe(nearest + 0)
  })

  it('carries nothing from one filter to the next', () => {
    const [first, second] = [Float32Array.of(1 / 3, 1 / 7), Float32Array.of(1 / 9, 1 / 11)]
    const both = roundToHalf(Float32Array.of(...first, ...second), 2)
    expect([...both]).toEqual([...roundToHalf(first, 1), ...roundToHalf(second, 1)])
  })
})
