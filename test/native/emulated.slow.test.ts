import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type DetectionFailure,
  type DetectionResult,
  EfficientDet,
  type EfficientDetError,
  type Frame,
} from '#lib/index.js'
import { PERSON } from '../helpers/cli.js'
import {
  CUDA_ERROR_LAUNCH_FAILURE,
  CUDA_ERROR_MEMORY_ALLOCATION,
  emulation,
  engineThatKnows,
  formatOf,
  frameOf,
  hasEmulated,
} from '../helpers/emulated.js'
import { expectSame, load, OPTIONS, onCpu } from '../helpers/emulated-detector.js'
import { hasShared, shared } from '../helpers/shared.js'

function isDetection(result: DetectionResult | DetectionFailure): result is DetectionResult {
  return !('error' in result)
}

/** Numbers of the calls that ran in one batch: those share its times. */
function batchesOf(results: readonly DetectionResult[]): number[][] {
  const batches = new Map<string, number[]>()
  results.forEach(({ timings: { preprocess, network, postprocess } }, i) => {
    const times = `${preprocess} ${network} ${postprocess}`
    batches.set(times, [...(batches.get(times) ?? []), i])
  })
  return [...batches.values()]
}

/** Small ones, in which none, one and several persons are found. */
function pictures(): Promise<Frame[]> {
  const names = ['person', 'black', 'dog', 'kite']
  return Promise.all(names.map((name) => frameOf(shared(`data/pictures/${name}.jpg`), 'rgb', 128)))
}

/** All orders of these, each once where some are equal. */
function ordersOf<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]]
  return [...new Set(items)].flatMap((first) => {
    const rest = [...items]
    rest.splice(rest.indexOf(first), 1)
    return ordersOf(rest).map((order) => [first, ...order])
  })
}

describe.skipIf(!hasEmulated)('the TensorRT backend on an emulated device', () => {
  afterEach(() => {
    const left = Object.values(emulation().countLive())
    expect(left, 'nothing is left on the device').toEqual(left.map(() => 0))
  })

  it.skipIf(!hasShared)('finds in photographs what the CPU backend finds', async () => {
    const folder = shared('data/pictures')
    const names = await readdir(folder)
    const frames = await Promise.all(names.map((name) => frameOf(`${folder}/${name}`)))
    const references = await onCpu(frames, 320)
    expect(references.flatMap(({ detections }) => detections).length).toBeGreaterThan(10)
    await using detector = await load(await engineThatKnows(frames, { side: 320, maxBatchSize: 8 }))
    const results = await detector.detectBatch(frames, OPTIONS)
    results.filter(isDetection).forEach((result, i) => {
      expectSame(result, references[i])
    })
    expect(results.every(isDetection)).toBe(true)
    expect(detector.backend.description).toMatch(/^TensorRT 10 .*CUDA emulation/)
  })

  it.skipIf(!hasShared).each([1, 2, 4, 8])(
    'keeps the pictures of a batch apart in all their orders, at batches of up to %i',
    async (maxBatchSize) => {
      const frames = await pictures()
      const [person, black, dog, kite] = frames
      const references = await onCpu(frames, 128)
      const counts = references.map(({ detections }) => detections.length)
      expect(counts).toContain(0)
      expect(counts).toContain(1)
      expect(Math.max(...counts)).toBeGreaterThan(1)
      await using detector = await load(await engineThatKnows(frames, { side: 128, maxBatchSize: 8 }), {
        maxBatchSize,
        maxBatchDelay: 50,
        contexts: 1,
      })
      const sizes = new Set<number>()
      for (const order of ordersOf([person, black, dog, person, kite])) {
        const results = await Promise.all(order.map((frame) => detector.detect(frame, OPTIONS)))
        results.forEach((result, i) => {
          expectSame(result, references[frames.indexOf(order[i])])
        })
        for (const batch of batchesOf(results)) sizes.add(batch.length)
      }
      // Five at a time: whole batches, and what is left over in a bucket that it fills or half fills.
      expect(Math.max(...sizes)).toBe(Math.min(maxBatchSize, 5))
    },
  )

  it.skipIf(!hasShared)(
    'is as the CPU backend, which has no batches, in all orders of concurrent calls',
    async () => {
      const frames = await pictures()
      const [person, black, dog, kite] = frames
      const references = await onCpu(frames, 128)
      await using detector = await EfficientDet.load('person', { backend: 'cpu', inputSize: 128 })
      for (const order of ordersOf([person, black, dog, person, kite])) {
        const results = await detector.detectBatch(order, OPTIONS)
        results.filter(isDetection).forEach((result, i) => {
          expectSame(result, references[frames.indexOf(order[i])])
        })
        expect(results.every(isDetection)).toBe(true)
      }
    },
  )

  it('gives 64 concurrent callers their own, of all formats and sizes, some of which abort', async () => {
    const kinds = await Promise.all(
      Array.from({ length: 14 }, (_, i) => frameOf(PERSON, formatOf(i), 97 + 13 * i)),
    )
    const references = await onCpu(kinds, 128)
    const path = await engineThatKnows(kinds, { side: 128, maxBatchSize: 8 })
    await using detector = await load(path, { contexts: 4, maxPending: 64 })
    const reason = new Error('no longer needed')
    let rejected = 0
    for (let round = 0; round < 2; round++) {
      const controllers = Array.from({ length: 64 }, () => new AbortController())
      const calls = controllers.map(({ signal }, i) => detector.detect(kinds[i % 14], { ...OPTIONS, signal }))
      const settled = Promise.allSettled(calls)
      const aborted = (i: number) => i % 5 === round
      // At once, when none can have been answered yet, and while they run.
      if (round > 0) await sleep(5)
      for (const [i, controller] of controllers.entries()) if (aborted(i)) controller.abort(reason)
      for (const [i, outcome] of (await settled).entries()) {
        // A call may have ended before its signal aborted.
        if (outcome.status === 'fulfilled') expectSame(outcome.value, references[i % 14])
        else expect([aborted(i), outcome.reason]).toEqual([true, reason])
        if (outcome.status === 'rejected') rejected++
      }
    }
    expect(rejected).toBeGreaterThan(0)
  })

  it('answers what is in flight when it is disposed', async () => {
    const kinds = await Promise.all(
      Array.from({ length: 7 }, (_, i) => frameOf(PERSON, formatOf(i), 100 + 7 * i)),
    )
    const references = await onCpu(kinds, 128)
    const detector = await load(await engineThatKnows(kinds, { side: 128, maxBatchSize: 4 }), {
      contexts: 2,
      maxPending: 64,
    })
    const calls = Array.from({ length: 40 }, (_, i) => detector.detect(kinds[i % 7], OPTIONS))
    const disposal = detector.dispose()
    const results = await Promise.all(calls)
    results.forEach((result, i) => {
      expectSame(result, references[i % 7])
    })
    await disposal
  })
})

describe.skipIf(!hasEmulated)('a device that fails', () => {
  /** What a detector's whole life with three calls is answered: results, or why not. */
  async function live(path: string, frame: Frame): Promise<(DetectionResult | DetectionFailure)[]> {
    let detector: EfficientDet
    try {
      // In one context, so that each life makes the same calls.
      detector = await load(path, { contexts: 1 })
    } catch (error) {
      return [{ source: null, error: error as EfficientDetError }]
    }
    const answers: (DetectionResult | DetectionFailure)[] = []
    // Kernels are started one by one, then while a graph is made of them, then in the graph.
    for (let i = 0; i < 3; i++) {
      answers.push(await detector.detect(frame, OPTIONS).catch((error) => ({ source: null, error })))
    }
    await detector.dispose()
    return answers
  }

  it.each([
    ['has no memory', CUDA_ERROR_MEMORY_ALLOCATION, false],
    ['is lost', CUDA_ERROR_LAUNCH_FAILURE, true],
  ])(
    'at any call because it %s gives a typed error, harms nobody else and leaves nothing',
    async (_, error, isLost) => {
      const device = emulation()
      const frame = await frameOf(PERSON, 'nv12', 64)
      const [reference] = await onCpu([frame], 64)
      const path = await engineThatKnows([frame], { side: 64, maxBatchSize: 1 })
      await using other = await load(path, { contexts: 1 })
      // Twice, for the graph of its batches to be made.
      for (let i = 0; i < 2; i++) expectSame(await other.detect(frame, OPTIONS), reference)
      const before = device.countLive()

      const begun = device.calls()
      expect((await live(path, frame)).every(isDetection)).toBe(true)
      const calls = device.calls() - begun
      expect(calls).toBeGreaterThan(50)

      const codes = new Set<string>()
      for (let call = 1; call <= calls; call++) {
        device.failCall(call, error)
        const answers = await live(path, frame)
        device.failCall(0, 0)
        const failed = answers.findIndex((answer) => !isDetection(answer))
        answers.forEach((answer, i) => {
          if (isDetection(answer)) {
            expectSame(answer, reference)
            // What is lost stays lost.
            expect(isLost && failed >= 0 && i > failed).toBe(false)
          } else {
            codes.add(answer.error.code)
            if (isLost) expect(answers.length === 1 || answer.error.code === 'ERR_DEVICE_LOST').toBe(true)
            else expect(i).toBe(failed)
          }
        })
        device.revive()
        expect(device.countLive(), `after call ${call}`).toEqual(before)
        expectSame(await other.detect(frame, OPTIONS), reference)
      }
      // Codes of the probe, then of loading, in which all runs for the first time.
      const later = isLost ? ['ERR_DEVICE_LOST'] : ['ERR_ENGINE', 'ERR_OUT_OF_MEMORY']
      expect([...codes].sort()).toEqual(['ERR_BACKEND_UNAVAILABLE', ...later])
    },
  )
})
