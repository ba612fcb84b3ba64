import { describe, expect, it } from 'vitest'
import { checkFp16Range, type ImageRange } from '#lib/graph/fp16-range.js'
import { refusal } from '../helpers/refusal.js'

const range = (image: string, isOrdinary: boolean, ...magnitudes: number[]): ImageRange => ({
  image,
  isOrdinary,
  layers: magnitudes.map((magnitude, i) => ({ layer: `layer${i}`, magnitude })),
})

describe('activations in float16', () => {
  it('that have room are no matter', () => {
    expect(checkFp16Range([range('a photograph', true, 1, 32752), range('noise', false, 65504)])).toBeNull()
    expect(checkFp16Range([])).toBeNull()
  })

  it('that come near its end with an ordinary image are told', () => {
    expect(checkFp16Range([range('noise', false, 1), range('a photograph', true, 1, 32753.4)])).toBe(
      'With a photograph, layer1 reaches 32,753, and float16 ends at 65504: some images may fail. fp32, or bf16 for ' +
        'TensorRT, is safe.',
    )
  })

  it.each([65505, Number.NaN, Number.POSITIVE_INFINITY])(
    'that go beyond with an ordinary image are refused, by the first layer: %d',
    (magnitude) => {
      const ranges = [range('noise', false, 1, 1, 1), range('a photograph', true, 1, magnitude, 1e9)]
      expect(() => checkFp16Range(ranges)).toThrow(
        refusal(
          'ERR_WEIGHTS',
          /^In float16, which ends at 65504, .* with a photograph, layer1 .*, and 1 more do\./,
        ),
      )
    },
  )

  it.each([65505, Number.NaN])('that go beyond with another image are told: %d', (magnitude) => {
    expect(checkFp16Range([range('a photograph', true, 1, 1), range('noise', false, 5, magnitude)])).toMatch(
      /^With noise, layer1 reaches (65,505|NaN), and float16 ends/,
    )
  })
})
