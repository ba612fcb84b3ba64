import { describe, expect, it } from 'vitest'
import {
  type NetworkOutput,
  type PackedDetections,
  type PostprocessParameters,
  type SourceGeometry,
  selectDetections,
} from '#lib/postprocess/detections.js'
import { refusal } from '../helpers/refusal.js'

const GEOMETRY = { width: 10_000, height: 10_000, scale: 1 }

/** With the options' defaults. */
function select(
  output: NetworkOutput,
  parameters: Partial<PostprocessParameters> = {},
  geometry: SourceGeometry = GEOMETRY,
): PackedDetections {
  const defaults = {
    scoreThresholds: new Float32Array(output.classes).fill(0.4),
    iouThreshold: 0.5,
    maxDetections: 100,
    preNmsTopK: 5000,
    nms: 'class',
  } as const
  return selectDetections(output, { ...defaults, ...parameters }, geometry)
}

interface Head {
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number]
  /** One per class. */
  readonly scores: readonly number[]
}

/** What a network would answer to give these boxes: anchors that lie there already, moved by nothing. */
function output(heads: readonly Head[]): NetworkOutput {
  return {
    classes: heads[0].scores.length,
    boxRegression: new Float32Array(4 * heads.length),
    anchors: Float32Array.from(
      heads.flatMap(({ box: [x1, y1, x2, y2] }) => [(y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1]),
    ),
    classLogits: Float32Array.from(
      heads.flatMap(({ scores }) => scores.map((score) => Math.log(score / (1 - score)))),
    ),
  }
}

/** 100 wide and 95 to 105 high: the second has IoU 0.9 and more with the first. */
const RIDER: Head = { box: [100, 100, 200, 200], scores: [0.9, 0.01] }
const MOTORCYCLE: Head = { box: [100, 105, 200, 200], scores: [0.01, 0.8] }

const scoresOf = (scores: Float32Array) => Array.from(scores, (score) => Number(score.toFixed(5)))

describe('selectDetections', () => {
  it('keeps boxes of two classes that overlap, unless all compete', () => {
    const heads = output([MOTORCYCLE, RIDER])
    const both = select(heads)
    expect([...both.boxes]).toEqual([...RIDER.box, ...MOTORCYCLE.box])
    expect([...both.classIds]).toEqual([0, 1])
    expect(scoresOf(both.scores)).toEqual([0.9, 0.8])
    const one = select(heads, { nms: 'agnostic' })
    expect([...one.boxes]).toEqual([...RIDER.box])
    // Boxes that overlap less than the threshold do not compete.
    const loose = { nms: 'agnostic', iouThreshold: 0.96 } as const
    expect(select(heads, loose).classIds).toHaveLength(2)
  })

  it('reports an anchor under each class that passes', () => {
    const { classIds, boxes } = select(output([{ box: [1, 2, 3, 4], scores: [0.5, 0.3, 0.7] }]))
    expect([...classIds]).toEqual([2, 0])
    expect([...boxes]).toEqual([1, 2, 3, 4, 1, 2, 3, 4])
  })

  it('keeps equal scores in the order of anchors', () => {
    const heads = [3, 1, 2].map((i): Head => ({ box: [100 * i, 0, 100 * i + 50, 50], scores: [0.5001] }))
    const { boxes } = select(output(heads))
    expect([boxes[0], boxes[4], boxes[8]]).toEqual([300, 100, 200])
  })

  it('finds nothing in a network that answers nothing', () => {
    const quiet = select(output([{ box: [0, 0, 9, 9], scores: [0.1] }]))
    expect(quiet).toEqual({
      boxes: new Float32Array(0),
      scores: new Float32Array(0),
      classIds: new Uint32Array(0),
      capped: { preNmsTopK: false, maxDetections: false },
    })
  })

  it('leaves out other classes, which then do not compete either', () => {
    const heads = output([RIDER, MOTORCYCLE])
    const scoreThresholds = Float32Array.of(2, 0.4)
    const { classIds, boxes } = select(heads, { nms: 'agnostic', scoreThresholds })
    expect([...classIds]).toEqual([1])
    expect([...boxes]).toEqual([...MOTORCYCLE.box])
  })
})

describe('limits', () => {
  /** 100 per row, 10 × 10 each, best first. */
  const heads = Array.from({ length: 6000 }, (_, i): Head => {
    const [x, y] = [20 * (i % 100), 20 * Math.floor(i / 100)]
    return { box: [x, y, x + 10, y + 10], scores: [0.95 - i / 20_000] }
  })
  const crowd = output(heads)

  it('let 6,000 objects of one class through when told to', () => {
    const parameters = { maxDetections: 10_000, preNmsTopK: 10_000 }
    const { boxes, scores, capped } = select(crowd, parameters)
    expect(capped).toEqual({ preNmsTopK: false, maxDetections: false })
    expect(scores).toHaveLength(6000)
    expect([...boxes]).toEqual(heads.flatMap(({ box }) => box))
  })

  it('say so when the candidates are cut, as they are by default', () => {
    const { scores, capped } = select(crowd, { maxDetections: 10_000 })
    expect(scores).toHaveLength(5000)
    expect(capped).toEqual({ preNmsTopK: true, maxDetections: false })
  })

  it('say so when the detections are cut, and keep the best', () => {
    const { scores, capped } = select(crowd, { preNmsTopK: 6000 })
    expect(scoresOf(scores)).toEqual(
      heads.slice(0, 100).map(({ scores: [score] }) => Number(score.toFixed(5))),
    )
    expect(capped).toEqual({ preNmsTopK: false, maxDetections: true })
  })

  it('say nothing when they are met exactly', () => {
    const parameters = { maxDetections: 6000, preNmsTopK: 6000 }
    expect(select(crowd, parameters).capped).toEqual({
      preNmsTopK: false,
      maxDetections: false,
    })
  })
})

describe('geometry', () => {
  it('gives boxes in source pixels', () => {
    const { boxes } = select(output([RIDER]), {}, { width: 640, height: 424, scale: 0.5 })
    expect([...boxes]).toEqual([200, 200, 400, 400])
  })

  it('clips to the picture, not to the input, and leaves out what lies beside it', () => {
    const heads: Head[] = [
      { box: [-20, -10, 50, 60], scores: [0.9] },
      // It runs into the fill below the picture.
      { box: [200, 150, 330, 300], scores: [0.8] },
      { box: [330, 250, 350, 260], scores: [0.7] },
      { box: [10, 10, 20, 20], scores: [0.6] },
    ]
    const picture = { width: 640, height: 424, scale: 0.5 }
    const { boxes, scores } = select(output(heads), {}, picture)
    expect([...boxes]).toEqual([0, 0, 100, 120, 400, 300, 640, 424, 20, 20, 40, 40])
    expect(scores).toHaveLength(3)
  })

  it('clips after suppression: what two boxes share outside of the picture counts', () => {
    // Within the picture they share 10 of 30; as wholes, 90 of 110.
    const heads: Head[] = [
      { box: [-90, 0, 10, 10], scores: [0.9] },
      { box: [-80, 0, 20, 10], scores: [0.8] },
    ]
    const { boxes } = select(output(heads), {}, { width: 100, height: 100, scale: 1 })
    expect([...boxes]).toEqual([0, 0, 10, 10])
  })

  it('keeps boxes within a picture of one pixel', () => {
    const { boxes } = select(output([RIDER]), {}, { width: 1, height: 1, scale: 320 })
    for (const side of boxes) expect(side >= 0 && side <= 1).toBe(true)
  })
})

describe('damaged networks', () => {
  it.each([Number.NaN, Infinity, -Infinity])(
    'are refused for one %f, also where nobody would see it',
    (value) => {
      const heads = output([{ box: [0, 0, 9, 9], scores: [0.1, 0.2] }, RIDER])
      for (const name of ['boxRegression', 'classLogits'] as const) {
        for (let at = 0; at < heads[name].length; at++) {
          const damaged = { ...heads, [name]: heads[name].map((one, i) => (i === at ? value : one)) }
          const output = { boxRegression: 'box_regression', classLogits: 'class_logits' }[name]
          const message = new RegExp(`^The network answered ${value} \\(${output}, position ${at}\\)`)
          for (const scoreThresholds of [Float32Array.of(0.4, 0.4), Float32Array.of(2, 2)]) {
            expect(() => select(damaged, { scoreThresholds })).toThrow(refusal('ERR_INFERENCE', message))
          }
        }
      }
    },
  )

  it('whose sizes overflow give boxes within the picture', () => {
    const heads = { ...output([RIDER, MOTORCYCLE]), boxRegression: new Float32Array(8).fill(200) }
    const { boxes } = select(heads)
    expect(boxes.length).toBeGreaterThan(0)
    for (const side of boxes) expect(side >= 0 && side <= 10_000).toBe(true)
  })
})
