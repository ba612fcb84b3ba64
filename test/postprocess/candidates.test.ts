import { describe, expect, it } from 'vitest'
import { type Candidates, selectCandidates } from '#lib/postprocess/candidates.js'
import { random } from '../helpers/random.js'

/** Everything above the threshold, sorted as a whole and cut: slow and plain. */
function plainly(
  logits: Float32Array,
  classes: number,
  threshold: number,
  limit: number,
  allowed: readonly boolean[] | null,
): Omit<Candidates, 'logits'> {
  const passed = Array.from(logits, (logit, index) => ({ logit, index }))
    .filter(({ logit, index }) => {
      const score = 1 / (1 + Math.exp(-logit))
      return score > threshold && (allowed === null || allowed[index % classes])
    })
    .sort((a, b) => b.logit - a.logit || a.index - b.index)
  return {
    indices: Uint32Array.from(passed.slice(0, limit), ({ index }) => index),
    capped: passed.length > limit,
  }
}

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
    const { indices, logits: best, capped } = selectCandidates(logits, 2, 0.5, 10, null)
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
          const { indices, capped } = selectCandidates(logits, classes, threshold, limit, null)
          expect({ indices, capped }).toEqual(plainly(logits, classes, threshold, limit, null))
        }
      }
    },
  )

  it('leaves out other classes before it cuts', () => {
    const logits = smooth(4000, 5)
    const allowed = [false, true, false, true]
    for (const limit of [3, 100, 5000]) {
      const { indices, capped } = selectCandidates(logits, 4, 0.2, limit, allowed)
      expect({ indices, capped }).toEqual(plainly(logits, 4, 0.2, limit, allowed))
      expect(indices.every((index) => allowed[index % 4])).toBe(true)
    }
    expect(selectCandidates(logits, 4, 0, 10, [false, false, false, false])).toEqual({
      indices: new Uint32Array(0),
      logits: new Float32Array(0),
      capped: false,
    })
  })

  it('takes everything at threshold 0 and nothing at 1', () => {
    const logits = Float32Array.of(-80, 80, 0, Infinity, -Infinity)
    // A score of 0 is not above 0.
    expect([...selectCandidates(logits, 1, 0, 10, null).indices]).toEqual([3, 1, 2, 0])
    expect([...selectCandidates(logits, 1, 1, 10, null).indices]).toEqual([])
  })

  it('says that it is capped only when something was left out', () => {
    const logits = Float32Array.of(1, 2, 3)
    expect(selectCandidates(logits, 1, 0.5, 3, null).capped).toBe(false)
    expect(selectCandidates(logits, 1, 0.5, 2, null).capped).toBe(true)
    // Those below the threshold were not candidates.
    expect(selectCandidates(Float32Array.of(1, 2, -3), 1, 0.5, 2, null).capped).toBe(false)
  })

  it.each([0, 0.5, 1])('refuses NaN wherever it is, at threshold %f', (threshold) => {
    for (const at of [0, 700, 999]) {
      const logits = new Float32Array(1000).fill(-9)
      logits[at] = Number.NaN
      for (const allowed of [null, [true, false], [false, true]]) {
        expect(() => selectCandidates(logits, 2, threshold, 10, allowed)).toThrow(
          expect.objectContaining({
            code: 'ERR_INFERENCE',
            message: expect.stringMatching(new RegExp(`NaN \\(class_logits, position ${at}\\)`)),
          }),
        )
      }
    }
  })

  it('refuses NaN after its pool was cut', () => {
    const logits = new Float32Array(1000).fill(9)
    logits[999] = Number.NaN
    expect(() => selectCandidates(logits, 1, 0, 3, null)).toThrow(/NaN/)
  })
})
