import { describe, expect, it } from 'vitest'
import { profileBatchSizesUpTo } from '#lib/engines/profile-batch-sizes.js'
import { SelfTestRun, testBatches } from '#lib/engines/self-test/run.js'
import type { DetectionArrays } from '#lib/postprocess/detections.js'
import { refusal } from '../../helpers/refusal.js'

const answer = (score: number): DetectionArrays => ({
  boxes: Float32Array.of(0, 0, 10, 10),
  scores: Float32Array.of(score),
  classIds: Uint32Array.of(0),
})

describe('the batches of a self-test', () => {
  it.each([
    [1, 8, [1, 1]],
    [8, 8, [1, 1, 2, 2, 4, 3, 8, 5]],
    [6, 6, [1, 1, 2, 2, 4, 3, 6, 5]],
    // Those beyond what runs are left out; what runs may half fill the last.
    [5, 8, [1, 1, 2, 2, 4, 3, 5, 5]],
    [4, 64, [1, 1, 2, 2, 4, 3]],
  ])(
    'up to %i, of an engine for %i, are each bucket’s fullest and emptiest',
    (maxBatchSize, builtFor, sizes) => {
      expect(
        testBatches(profileBatchSizesUpTo(builtFor), maxBatchSize, 3).map(({ length }) => length),
      ).toEqual(sizes)
    },
  )

  it('have another picture in a place than the batch before, and than the places a power of two away', () => {
    const batches = testBatches(profileBatchSizesUpTo(64), 64, 3)
    batches.forEach((batch, i) => {
      for (const [place, picture] of batch.entries()) {
        expect(batches[i + 1]?.[place]).not.toBe(picture)
        for (let step = 1; place + step < batch.length; step *= 2)
          expect(batch[place + step]).not.toBe(picture)
      }
    })
  })
})

describe('the run of a self-test', () => {
  it('tells the worst figures of right answers', () => {
    const testRun = new SelfTestRun([answer(0.5), answer(0.6)])
    testRun.add(0, [0, 1], [answer(0.51), answer(0.6)])
    testRun.add(1, [1, 0], [answer(0.57), answer(0.5)])
    expect(testRun.figures()).toEqual({
      against: 'cpu',
      compared: 4,
      scoreDifference: expect.closeTo(0.03, 6),
      overlap: 1,
    })
  })

  it('refuses wrong ones, and tells of the worst where it was', () => {
    const testRun = new SelfTestRun([answer(0.5), answer(0.6)])
    testRun.add(0, [0], [answer(0.5)])
    testRun.add(0, [0, 1], [answer(0.5), answer(0.7)])
    testRun.add(1, [1, 0, 1], [answer(0.6), answer(0.2), answer(0.7)])
    expect(() => testRun.figures()).toThrow(
      refusal(
        'ERR_ENGINE',
        /3 of 6 answers differ from the CPU backend's. The worst, in context 1, in a batch of 3, for frame 1: scores differ by up to 0\.300 \(at most 0\.07 is right\), and boxes overlap by 1\.000/,
      ),
    )
    expect(() => testRun.figures()).toThrow(/engine\.selfTest: false \(--no-self-test\) loads/)
    expect(() => testRun.figures()).toThrow(
      expect.objectContaining({
        details: expect.objectContaining({
          fault: 'wrong',
          wrong: 3,
          compared: 6,
          context: 1,
          batch: 3,
          place: 1,
        }),
      }),
    )
  })

  it('refuses an engine that gives no answer', () => {
    const testRun = new SelfTestRun(null)
    testRun.add(0, [0], [answer(0.5)])
    testRun.add(0, [0, 1], ['The network answered NaN.', answer(0.6)])
    expect(() => testRun.figures()).toThrow(
      refusal(
        'ERR_ENGINE',
        /1 of 3 .* in context 0, in a batch of 2, for frame 0: The network answered NaN\./,
      ),
    )
  })

  it('compares with the first answer to a picture where nobody knows the right one', () => {
    const testRun = new SelfTestRun(null)
    testRun.add(0, [0, 1], [answer(0.5), answer(0.9)])
    testRun.add(0, [1, 0], [answer(0.9), answer(0.5)])
    expect(testRun.figures()).toMatchObject({ against: 'itself', compared: 4, scoreDifference: 0 })
    testRun.add(1, [1, 0], [answer(0.5), answer(0.9)])
    expect(() => testRun.figures()).toThrow(
      refusal('ERR_ENGINE', /2 of 6 answers differ from its first to the same images/),
    )
  })
})
