import { describe, expect, it } from 'vitest'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { readSource } from '#lib/image/source.js'
import type { Size } from '#lib/models/levels.js'
import { type Normalization, preprocessingOf, type WeightsOrigin } from '#lib/models/preprocessing.js'
import { readFloats } from '../helpers/networks.js'
import { hasShared, shared } from '../helpers/shared.js'
import { floatsOf, largestDifference, picture, references } from './reference.js'

interface Case {
  readonly origin: WeightsOrigin
  readonly normalization: Normalization
  readonly from: readonly [width: number, height: number]
  readonly input: Size
  readonly seed: number
  readonly scale: number
  /** What effdet's transforms, or numpy and OpenCV, make of it: 3×H×W float32. */
  readonly tensor: string
}

describe('preprocess', () => {
  it.each(references<Case>('preprocess.json').filter(({ origin }) => origin === 'effdet'))(
    'is effdet, to the last bits: $normalization, $from into $input',
    ({ origin, normalization, from, input, seed, scale, tensor }) => {
      const result = preprocess(picture(...from, seed), input, preprocessingOf(origin, normalization))
      expect(largestDifference(result.tensor, floatsOf(tensor))).toBeLessThan(1e-6)
      expect(result.letterbox.scale).toBeCloseTo(scale, 12)
    },
  )

  it.each(references<Case>('preprocess.json').filter(({ origin }) => origin === 'zylo'))(
    'is OpenCV after normalisation, as zylo has it: $from into $input',
    ({ origin, normalization, from, input, seed, scale, tensor }) => {
      const result = preprocess(picture(...from, seed), input, preprocessingOf(origin, normalization))
      expect(largestDifference(result.tensor, floatsOf(tensor))).toBeLessThan(1e-5)
      expect(result.letterbox.scale).toBeCloseTo(scale, 12)
    },
  )

  it('fills the right or the bottom with the fill colour, normalised', () => {
    const how = preprocessingOf('effdet', 'imagenet')
    const wide = preprocess(picture(40, 10, 1), { height: 8, width: 16 }, how)
    expect(wide.letterbox).toMatchObject({ height: 4, width: 16 })
    const filled = how.fill.map((value, channel) => (value - how.mean[channel]) / how.std[channel])
    for (let channel = 0; channel < 3; channel++) {
      const plane = wide.tensor.subarray(channel * 128, (channel + 1) * 128)
      for (const value of plane.subarray(64)) expect(value).toBeCloseTo(filled[channel], 6)
    }
    const tall = preprocess(picture(10, 40, 1), { height: 16, width: 8 }, how)
    expect(tall.letterbox).toMatchObject({ height: 16, width: 4 })
    for (let y = 0; y < 16; y++) {
      for (let x = 4; x < 8; x++) expect(tall.tensor[y * 8 + x]).toBeCloseTo(filled[0], 6)
    }
  })

  it.skipIf(!hasShared)('makes of a photograph what effdet made of it', async () => {
    const { frame } = await readSource('models/person/person.jpg', { maxPixels: 1e6 })
    const input = { height: 320, width: 320 }
    const { tensor } = preprocess(toRgb(frame), input, preprocessingOf('effdet', 'lite'))
    const expected = await readFloats(shared('data/person-lite0/person.input.f32'))
    expect(largestDifference(tensor, expected)).toBeLessThan(1e-6)
  })
})
