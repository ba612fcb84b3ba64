import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { anchorBoxes, countAnchors, DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { levelSizes } from '#lib/models/levels.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { VARIANT_NAMES, variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { hasShared, shared } from '../helpers/shared.js'

/** Parameters of effdet's networks with 90 classes; anchors of Google's at the native size. */
const OFFICIAL = {
  d0: [3_880_067, 49_104],
  d1: [6_625_898, 76_725],
  d2: [8_097_039, 110_484],
  d3: [12_032_296, 150_381],
  d4: [20_723_675, 196_416],
  d5: [33_653_315, 306_900],
  d6: [51_871_782, 306_900],
  d7: [51_871_782, 441_936],
  d7x: [77_147_166, 442_260],
  lite0: [3_243_470, 19_206],
  lite1: [4_248_318, 27_621],
  lite2: [5_252_334, 37_629],
  lite3: [8_350_862, 49_104],
  lite3x: [9_280_862, 76_725],
  lite4: [15_130_894, 76_725],
} as const

describe('the model table', () => {
  it('has fifteen sizes', () => {
    expect(VARIANT_NAMES).toHaveLength(15)
  })

  it.each(VARIANT_NAMES)('%s has the parameters and anchors of the official network', (name) => {
    const { inputSize, maxLevel } = variant(name)
    const size = { height: inputSize, width: inputSize }
    const { parameters } = inventory(officialArchitecture(variant(name)), size)
    expect([parameters, countAnchors(size, maxLevel, 9)]).toEqual(OFFICIAL[name])
  })

  it('halves odd sizes upwards', () => {
    expect(levelSizes({ height: 511, width: 333 }, 7)).toEqual([
      { height: 64, width: 42 },
      { height: 32, width: 21 },
      { height: 16, width: 11 },
      { height: 8, width: 6 },
      { height: 4, width: 3 },
    ])
  })
})

describe('anchors', () => {
  it.skipIf(!hasShared)("of D0 are those of zylo's network", async () => {
    const bytes = await readFile(shared('data/golden-d0/anchors.f32'))
    const expected = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    const config = { anchorScale: 4, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS }
    const anchors = anchorBoxes({ height: 512, width: 512 }, 7, config)
    expect(anchors).toHaveLength(expected.length)
    let worst = 0
    for (let i = 0; i < anchors.length; i += 4) {
      const [y, x, height, width] = anchors.subarray(i, i + 4)
      const corners = [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
      corners.forEach((corner, j) => {
        worst = Math.max(worst, Math.abs(corner - expected[i + j]))
      })
    }
    expect(worst).toBeLessThan(1e-3)
  })

  it('lie on strides that are no powers of two where the input is no multiple of them', () => {
    const anchors = anchorBoxes({ height: 100, width: 60 }, 7, {
      anchorScale: 4,
      scales: [1],
      ratios: [[1, 1]],
    })
    // P3 of 100×60 has 13×8 cells.
    expect([...anchors.subarray(0, 4)]).toEqual(
      [100 / 13 / 2, 60 / 8 / 2, (4 * 100) / 13, 30].map(Math.fround),
    )
  })

  it('take ratio pairs literally', () => {
    const anchors = anchorBoxes({ height: 8, width: 8 }, 3, {
      anchorScale: 2,
      scales: [1],
      ratios: [[3, 0.5]],
    })
    expect([...anchors]).toEqual([4, 4, 2 * 8 * 0.5, 2 * 8 * 3])
  })
})
