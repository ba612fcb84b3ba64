import { describe, expect, it } from 'vitest'
import { decodeBoxes, toSourcePixels } from '#lib/postprocess/boxes.js'
import { doublesOf, floatsOf, reference } from './reference.js'

interface Golden {
  readonly anchors: string
  readonly regression: string
  /** x1, y1, x2, y2 in float64. */
  readonly corners: string
}

const golden = reference<Golden>('boxes.json')
const anchors = floatsOf(golden.anchors)
const regression = floatsOf(golden.regression)
const corners = doublesOf(golden.corners)

/** float32 holds 24 bits of the largest number that went into a corner. */
function expectClose(box: Float32Array, expected: Float64Array): void {
  const largest = Math.max(...expected.map(Math.abs), 1)
  box.forEach((side, i) => {
    expect(Math.abs(side - expected[i])).toBeLessThan(largest * 2 ** -22)
  })
}

describe('decodeBoxes', () => {
  it('is the box code in float64, rounded', () => {
    const boxes = decodeBoxes(
      regression,
      anchors,
      Array.from({ length: 60 }, (_, i) => i),
    )
    expect(boxes).toHaveLength(240)
    for (let i = 0; i < 60; i++)
      expectClose(boxes.subarray(4 * i, 4 * i + 4), corners.subarray(4 * i, 4 * i + 4))
  })

  it('decodes the anchors that are asked for, in that order', () => {
    const boxes = decodeBoxes(regression, anchors, [17, 3, 17])
    for (const [at, anchor] of [17, 3, 17].entries()) {
      expectClose(boxes.subarray(4 * at, 4 * at + 4), corners.subarray(4 * anchor, 4 * anchor + 4))
    }
    expect(decodeBoxes(regression, anchors, [])).toHaveLength(0)
  })

  it('takes t as y, x, height, width and gives x first', () => {
    // An anchor 10 high and 20 wide around y 100, x 200; half its height down, twice its width.
    const boxes = decodeBoxes(Float32Array.of(0.5, 0, 0, Math.log(2)), Float32Array.of(100, 200, 10, 20), [0])
    expectClose(boxes, Float64Array.of(180, 100, 220, 110))
  })
})

describe('toSourcePixels', () => {
  it('divides by the scale and clips to the picture', () => {
    const boxes = Float32Array.of(10, 20, 30, 40, -5, -1, 400, 300, 330, 10, 350, 20)
    toSourcePixels(boxes, 0.5, 640, 424)
    expect([...boxes]).toEqual([20, 40, 60, 80, 0, 0, 640, 424, 640, 20, 640, 40])
  })

  it('clips what is not finite', () => {
    const boxes = Float32Array.of(-Infinity, -Infinity, Infinity, Infinity)
    toSourcePixels(boxes, 2, 7, 5)
    expect([...boxes]).toEqual([0, 0, 7, 5])
  })
})
