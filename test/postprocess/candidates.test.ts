import { describe, expect, it } from 'vitest'
import { type Candidates, selectCandidates } from '#lib/postprocess/candidates.js'
import { random } from '../helpers/random.js'
import { refusal } from '../helpers/refusal.js'

/** Everything above its class's threshold, sorted as a whole and cut: slow and plain. */
function plainly(logits: Float32Array, thresholds: Float32Array, limit: number): Omit<Candidates, 'logits'> {
  const passed = Array.from(logits, (logit, index) => ({ logit, index }))
    .filter(({ logit, index }) => {
      const score = 1 / (1 + Math.exp(-logit))
      return score > thresholds[index % thresholds.length]
    })
    .sort((a, b) => b.logit - a.logit || a.index - b.index)
  return {
    indices: Uint32Array.from(passed.slice(0, limit), ({ index }) => index),
    capped: passed.length > limit,
  }
}

/** The same for all classes. */
const all = (classes: number, threshold: number) => new Float32Array(classes).fill(threshold)

/** Few different values, so that ties abound. */
function tied(count: number, seed: number, levels: number): Float32Array {
  const rng = random(seed)
  return Float32Array.from({ length: count }, () => rng.int(levels) - levels / 2)
}

function smooth(count: number, seed: number): Float32Array {
  const rng = random(seed)
  return Float32Array.from({ length: count }, () => 12 * rng.float() - 8)
}

const ascending = Float32Array.from({ length: 5000 }, (_, i) => i / 1000)

describe('selectCandidates', () => {
  it('takes scores above the threshold, best first, with their logits', () => {
    const logits = Float32Array.of(-3, 2, 0, 5, -1, 2)
    // 0 is a score of exactly 0.5, which is not above it.
    const { indices, logits: best, capped } = selectCandidates(logits, all(2, 0.5), 10)
    expect([...indices]).toEqual([3, 1, 5])
    expect([...best]).toEqual([5, 2, 2])
    expect(capped).toBe(false)
  })

  it.each([1, 2, 7, 50, 51, 400, 4999, 5000, 6000])(
    'is a whole sort cut at %i, ties by their order',
    (limit) => {
      for (const [logits, classes] of [
        [tied(5000, 1, 3), 1],
        [tied(5000, 2, 8), 5],
        [tied(5000, 3, 400), 10],
        [smooth(5000, 4), 5],
        [ascending, 1],
        [ascending.slice().reverse(), 1],
        [new Float32Array(5000).fill(1), 5],
      ] as const) {
        for (const threshold of [0, 0.05, 0.4, 0.9]) {
          const thresholds = all(classes, threshold)
          const { indices, capped } = selectCandidates(logits, thresholds, limit)
          expect({ indices, capped }).toEqual(plainly(logits, thresholds, limit))
        }
      }
    },
  )

  it.each([
    ['a threshold each', [0.2, 0.6, 0.05, 0.35, 0.9]],
    ['some that are not wanted', [2, 0.2, 2, 0.2, 2]],
    ['one wanted', [2, 2, 2, 2, 0]],
    ['none wanted', [2, 2, 2, 2, 2]],
  ])('takes classes with %s before it cuts', (_, each) => {
    const thresholds = Float32Array.from(each)
    // A whole number of fours, and one more, two more, three more.
    for (const count of [4000, 4005, 4010, 4015]) {
      const logits = smooth(count, count)
      for (const limit of [3, 100, 5000]) {
        const { indices, capped } = selectCandidates(logits, thresholds, limit)
        expect({ indices, capped }).toEqual(plainly(logits, thresholds, limit))
      }
    }
  })

  it('takes everything at threshold 0 and nothing at 1', () => {
    const logits = Float32Array.of(-3e38, -80, 80, 0, 3e38)
    expect([...selectCandidates(logits, all(1, 0), 10).indices]).toEqual([4, 2, 3, 1, 0])
    expect([...selectCandidates(logits, all(1, 1), 10).indices]).toEqual([])
  })

  it('says that it is capped only when something was left out', () => {
    const logits = Float32Array.of(1, 2, 3)
    expect(selectCandidates(logits, all(1, 0.5), 3).capped).toBe(false)
    expect(selectCandidates(logits, all(1, 0.5), 2).capped).toBe(true)
    // Those below the threshold were not candidates.
    expect(selectCandidates(Float32Array.of(1, 2, -3), all(1, 0.5), 2).capped).toBe(false)
  })

  it.each([Number.NaN, Infinity, -Infinity])('refuses %f wherever it is', (value) => {
    for (const at of [0, 1, 2, 3, 700, 999, 1001]) {
      const logits = new Float32Array(1002).fill(-9)
      logits[at] = value
      for (const thresholds of [all(2, 0), all(2, 0.5), all(2, 1), [2, 0.5], [0.5, 2]]) {
        expect(() => selectCandidates(logits, Float32Array.from(thresholds), 10)).toThrow(
          refusal(
            'ERR_INFERENCE',
            new RegExp(`^The network answered ${value} \\(class_logits, position ${at}\\)`),
          ),
        )
      }
    }
    // Also after its pool was cut.
    const logits = new Float32Array(1000).fill(9)
    logits[999] = value
    expect(() => selectCandidates(logits, all(1, 0), 3)).toThrow(/position 999/)
  })

  it('is not misled by sums of opposite infinities, nor by numbers that add up to none of float32', () => {
    expect(() => selectCandidates(Float32Array.of(Infinity, -Infinity), all(1, 0.5), 3)).toThrow(
      /answered Inf/,
    )
    const large = new Float32Array(1000).fill(3e38)
    expect(selectCandidates(large, all(1, 0.5), 3).indices).toEqual(Uint32Array.of(0, 1, 2))
    expect(
      selectCandidates(
        large.map((value) => -value),
        all(1, 0.5),
        3,
      ).indices,
    ).toHaveLength(0)
  })
})
