import { describe, expect, it } from 'vitest'
import { suppress } from '#lib/postprocess/nms.js'
import { floatsOf, reference } from './reference.js'

interface Golden {
  readonly boxes: string
  readonly classes: readonly number[]
  /** Positions that torchvision keeps, by threshold. */
  readonly kept: Readonly<Record<string, { readonly class: number[]; readonly agnostic: number[] }>>
}

const golden = reference<Golden>('nms.json')
const boxes = floatsOf(golden.boxes)
const classIds = Uint32Array.from(golden.classes)

describe('suppress', () => {
  it.each(Object.entries(golden.kept))('keeps what torchvision keeps, at IoU %s', (threshold, kept) => {
    expect(suppress(boxes, classIds, Number(threshold), 1000)).toEqual({ kept: kept.class, capped: false })
    expect(suppress(boxes, null, Number(threshold), 1000)).toEqual({ kept: kept.agnostic, capped: false })
    // The two kinds are not one by accident, and both drop some but not all.
    if (threshold !== '1') expect(kept.agnostic.length).toBeLessThan(kept.class.length)
  })

  it('keeps a box whose IoU is exactly the threshold', () => {
    // 4 × 1 and a quarter of it: an IoU without rounding.
    const quarter = Float32Array.of(0, 0, 4, 1, 0, 0, 1, 1)
    expect(suppress(quarter, null, 0.25, 10).kept).toEqual([0, 1])
    expect(suppress(quarter, null, 0.2499, 10).kept).toEqual([0])
  })

  it('does not let a dropped box drop others', () => {
    // Each overlaps the next by 0.6; the second is dropped, so the third stays.
    const row = Float32Array.of(0, 0, 10, 1, 2.5, 0, 12.5, 1, 5, 0, 15, 1)
    expect(suppress(row, null, 0.5, 10).kept).toEqual([0, 2])
  })

  it('stops at the limit and says so only when a box was left out', () => {
    const apart = Float32Array.from({ length: 20 }, (_, i) => 10 * Math.floor(i / 4) + (i % 4 > 1 ? 5 : 0))
    expect(suppress(apart, null, 0.5, 3)).toEqual({ kept: [0, 1, 2], capped: true })
    expect(suppress(apart, null, 0.5, 5)).toEqual({ kept: [0, 1, 2, 3, 4], capped: false })
    // The last of three equal boxes would have been dropped anyway.
    const equal = Float32Array.of(0, 0, 5, 5, 0, 0, 5, 5)
    expect(suppress(equal, null, 0.5, 1)).toEqual({ kept: [0], capped: false })
  })

  it('keeps empty boxes apart, and boxes that only touch', () => {
    expect(suppress(Float32Array.of(3, 3, 3, 3, 3, 3, 3, 3), null, 0, 10).kept).toEqual([0, 1])
    expect(suppress(Float32Array.of(0, 0, 5, 5, 5, 0, 9, 5), null, 0, 10).kept).toEqual([0, 1])
  })

  it('keeps nothing of nothing', () => {
    expect(suppress(new Float32Array(0), null, 0.5, 10)).toEqual({ kept: [], capped: false })
  })
})
