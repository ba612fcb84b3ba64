import { describe, expect, it } from 'vitest'
import { compareDetections, isWithin, LIMITS } from '#lib/engines/self-test/comparison.js'
import type { DetectionArrays } from '#lib/postprocess/detections.js'
import { random } from '../../helpers/random.js'

/** Boxes apart from each other, with falling scores and classes in turn. */
function answer(count = 100): DetectionArrays {
  const rng = random(5)
  return {
    boxes: Float32Array.from(
      { length: 4 * count },
      (_, i) => 50 * (i >> 2) + (i % 4 < 2 ? 0 : 20 + rng.int(20)),
    ),
    scores: Float32Array.from({ length: count }, (_, i) => 0.9 - i / (2 * count)),
    classIds: Uint32Array.from({ length: count }, (_, i) => i % 3),
  }
}

const NOTHING: DetectionArrays = {
  boxes: new Float32Array(),
  scores: new Float32Array(),
  classIds: new Uint32Array(),
}

/** The same with two neighbours in each other's place. */
function swapped({ boxes, scores, classIds }: DetectionArrays, i: number): DetectionArrays {
  const order = Array.from(scores, (_, rank) => (rank === i ? i + 1 : rank === i + 1 ? i : rank))
  return {
    boxes: Float32Array.from(order.flatMap((from) => [...boxes.subarray(4 * from, 4 * from + 4)])),
    scores,
    classIds: Uint32Array.from(order, (from) => classIds[from]),
  }
}

describe('comparison', () => {
  it('is whole for the same answers, and for none', () => {
    expect(compareDetections(answer(), answer())).toEqual({ scoreDifference: 0, overlap: 1 })
    expect(compareDetections(NOTHING, NOTHING)).toEqual({ scoreDifference: 0, overlap: 1 })
  })

  it('is the same both ways', () => {
    const [a, b] = [answer(), { ...answer(), scores: answer().scores.map((score, i) => score - i / 2000) }]
    expect(compareDetections(a, b)).toEqual(compareDetections(b, a))
  })

  it('tells the largest difference of scores', () => {
    const scores = answer().scores.map((score, i) => (i === 40 ? score + 0.25 : score))
    expect(compareDetections({ ...answer(), scores }, answer()).scoreDifference).toBeCloseTo(0.25, 6)
  })

  it('does not mind near ties that change places', () => {
    expect(compareDetections(swapped(answer(), 3), answer())).toEqual({ scoreDifference: 0, overlap: 1 })
  })

  it('tells the mean overlap of the best boxes, one of which may be gone', () => {
    const { boxes, scores, classIds } = answer()
    const without = { boxes: boxes.subarray(4), scores: scores.subarray(1), classIds: classIds.subarray(1) }
    expect(compareDetections(without, answer()).overlap).toBeCloseTo(19 / 20, 6)
  })

  it.each<[string, DetectionArrays]>([
    ['nothing', NOTHING],
    ['one of many', { boxes: answer(1).boxes, scores: answer(1).scores, classIds: answer(1).classIds }],
    ['scores off by 0.15', { ...answer(), scores: answer().scores.map((score) => score - 0.15) }],
    ['scores that are no numbers', { ...answer(), scores: answer().scores.map(() => Number.NaN) }],
    ['boxes that are no numbers', { ...answer(), boxes: answer().boxes.map(() => Number.NaN) }],
    ['boxes shifted by half', { ...answer(), boxes: answer().boxes.map((side) => side + 15) }],
    ['other classes', { ...answer(), classIds: answer().classIds.map((classId) => classId + 1) }],
  ])('is outside of the limits for %s', (_, wrong) => {
    expect(isWithin(compareDetections(wrong, answer()))).toBe(false)
    expect(isWithin(compareDetections(answer(), wrong))).toBe(false)
  })

  it('has limits that are reached', () => {
    expect(isWithin(LIMITS)).toBe(true)
    expect(isWithin({ ...LIMITS, scoreDifference: LIMITS.scoreDifference + 1e-6 })).toBe(false)
    expect(isWithin({ ...LIMITS, overlap: LIMITS.overlap - 1e-6 })).toBe(false)
  })
})
