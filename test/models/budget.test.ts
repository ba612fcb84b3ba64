import { describe, expect, it } from 'vitest'
import { excessOf } from '#lib/models/budget.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, VARIANTS, variant } from '#lib/models/variants.js'

describe('what a model may ask for', () => {
  it.each([...VARIANTS.keys()])('holds %s with the classes of ImageNet-21k at its native size', (name) => {
    const one = variant(name)
    // Class scores of the largest inputs are counted in 31 bits.
    const classes = one.inputSize > 640 ? 1203 : 21_841
    expect(excessOf(officialArchitecture(one, classes), nativeInput(one))).toBeNull()
  })

  it('holds COCO at the largest input of D0', () => {
    expect(excessOf(officialArchitecture(variant('d0')), { height: 8192, width: 8192 })).toBeNull()
  })

  it.each([
    [65_537, 9, 512, /^65537 classes .* at most 65536/],
    [90, 10_000, 512, /anchors/],
    [60_000, 9, 4096, /class scores/],
  ])(
    'ends before %i classes with %i anchors per cell at %i pixels',
    (classes, anchorsPerCell, side, message) => {
      const architecture = { ...officialArchitecture(variant('d0'), classes), anchorsPerCell }
      expect(excessOf(architecture, { height: side, width: side })).toMatch(message)
    },
  )
})
