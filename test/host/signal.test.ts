import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EfficientDet, type Frame } from '#lib/index.js'
import { rounds } from '../helpers/rounds.js'

const CALLS = rounds({ quick: 200, all: 2000 })

/** As little work as there can be. */
const FRAME: Frame = { data: new Uint8Array(16), format: 'grey', width: 4, height: 4 }

let detector: EfficientDet
beforeAll(async () => {
  detector = await EfficientDet.load('person', { inputSize: 32, threads: 1 })
})
afterAll(() => detector.dispose())

describe('one signal for everything', () => {
  it(`keeps no listener after ${CALLS} calls, nor many during them`, async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const { signal } = new AbortController()
    for (let i = 0; i < CALLS; i++) {
      await detector.detect(FRAME, { signal })
      if (i % 100 === 0) expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  it('keeps none after calls that overlap, and one during them: more than ten are a leak to Node', async () => {
    const { signal } = new AbortController()
    const results = Promise.all(Array.from({ length: 200 }, () => detector.detect(FRAME, { signal })))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(await results).toHaveLength(200)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('keeps none after a stream, whether it ends or is left', async () => {
    const { signal } = new AbortController()
    const frames = new Array<Frame>(CALLS).fill(FRAME)
    let count = 0
    for await (const { width } of detector.stream(frames, { signal })) count += width / 4
    expect(count).toBe(CALLS)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    for await (const _ of detector.stream(frames, { signal })) break
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('keeps none after a batch', async () => {
    const { signal } = new AbortController()
    await detector.detectBatch(new Array<Frame>(100).fill(FRAME), { signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('keeps none after failures', async () => {
    const { signal } = new AbortController()
    await expect(detector.detect('no/such.jpg', { signal })).rejects.toThrow(/no such file/)
    await expect(detector.detect(FRAME, { signal, nms: 'none' as 'class' })).rejects.toThrow(/nms/)
    await expect(EfficientDet.load('no/such.pth', { signal })).rejects.toThrow(/no such file/)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('keeps none after loading', async () => {
    const { signal } = new AbortController()
    const other = await EfficientDet.load('person', { inputSize: 32, signal })
    await other.dispose()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('does nothing when it aborts after the work', async () => {
    const controller = new AbortController()
    const { signal } = controller
    await detector.detect(FRAME, { signal })
    const other = await EfficientDet.load('person', { inputSize: 32, signal })
    controller.abort()
    expect((await other.detect(FRAME)).width).toBe(4)
    expect((await detector.detect(FRAME)).width).toBe(4)
    await other.dispose()
  })

  it.each([new Error('enough'), 'a text', undefined, null])(
    'rejects at once with its own reason: %s',
    async (reason) => {
      const signal = AbortSignal.abort(reason)
      // Without a reason, it is the AbortError that AbortSignal makes.
      const expected = signal.reason
      await expect(detector.detect(FRAME, { signal })).rejects.toBe(expected)
      await expect(detector.detectBatch([FRAME], { signal })).rejects.toBe(expected)
      await expect(detector.stream([FRAME], { signal }).next()).rejects.toBe(expected)
      await expect(EfficientDet.load('person', { signal })).rejects.toBe(expected)
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    },
  )

  it('takes waiting calls out of the queue, and leaves the others', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const patient = Array.from({ length: 10 }, () => detector.detect(FRAME))
    const aborted = Array.from({ length: 30 }, () => detector.detect(FRAME, { signal: controller.signal }))
    const outcomes = Promise.allSettled(aborted)
    controller.abort(reason)
    for (const outcome of await outcomes) expect(outcome).toEqual({ status: 'rejected', reason })
    expect(await Promise.all(patient)).toHaveLength(10)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })
})
