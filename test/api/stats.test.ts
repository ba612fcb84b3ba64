import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type DetectionResult, EfficientDet, type Frame, type LoadOptions, type Timings } from '#lib/index.js'
import { held } from '../helpers/builds.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

const SMALL = { inputSize: 64, engine: { selfTest: false } } as const
const frame: Frame = { data: new Uint8Array(100), format: 'grey', width: 10, height: 10 }

function loadCpu(options: LoadOptions = {}): Promise<EfficientDet> {
  return EfficientDet.load('person', { ...SMALL, backend: 'cpu', threads: 1, ...options })
}

function loadFake(options: LoadOptions = {}, behaviour = ''): Promise<EfficientDet> {
  process.env.FAKE_BACKEND = behaviour
  return EfficientDet.load('person', {
    ...SMALL,
    backend: 'tensorrt',
    backendLibrary: FAKE_BACKEND,
    ...options,
  })
}

afterEach(() => {
  delete process.env.FAKE_BACKEND
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate()
}

describe.each([
  ['the CPU backend', loadCpu, true],
  ['a native backend', loadFake, hasNative],
] as const)('the stats of a detector on %s', (_, load, isThere) => {
  if (!isThere) return

  it('begin with nothing', async () => {
    await using detector = await load()
    const nothing = { sum: 0, max: 0 }
    const { device = null, graphs = [] } = detector.backend.gpus[0] ?? {}
    const stats = detector.stats()
    expect(stats).toEqual({
      uptime: expect.any(Number),
      pending: 0,
      waiting: 0,
      pendingBytes: 0,
      allocatedBytes: 0,
      frames: 0,
      errors: {},
      stages: {
        decode: nothing,
        queue: nothing,
        preprocess: nothing,
        network: nothing,
        postprocess: nothing,
        total: nothing,
      },
      engines: [{ device, queued: 0, running: 0, batches: [], graphs }],
    })
    expect(structuredClone(stats)).toEqual(stats)
    expect(stats.uptime).toBeGreaterThan(0)
    expect(detector.stats().uptime).toBeGreaterThan(stats.uptime)
  })

  it('sum the timings of results, and keep the largest', async () => {
    await using detector = await load()
    const results: DetectionResult[] = []
    for (const source of ['models/person/person.jpg', frame, frame])
      results.push(await detector.detect(source))
    const { frames, stages, engines } = detector.stats()
    expect(frames).toBe(3)
    for (const [stage, { sum, max }] of Object.entries(stages)) {
      const times = results.map(({ timings }) => timings[stage as keyof Timings])
      expect(sum).toBe(times.reduce((total, time) => total + time, 0))
      expect(max).toBe(Math.max(...times))
    }
    expect(engines).toMatchObject([{ batches: [{ batchSize: 1, count: 3 }] }])
  })

  it('count errors by their codes, and those that gave up', async () => {
    const detector = await load({ maxPixels: 1000, maxPending: 1, whenFull: 'reject' })
    const reason = new Error('enough')
    const { errors: none } = detector.stats()
    await expect(detector.detect({ ...frame, width: 0 })).rejects.toThrow(/width 0/)
    await expect(detector.detect({ ...frame, width: 11 })).rejects.toThrow(/100 bytes/)
    await expect(detector.detect('missing.jpg')).rejects.toThrow(/missing\.jpg/)
    await expect(detector.detect('models/person/person.jpg')).rejects.toThrow(/640×424/)
    const controller = new AbortController()
    const calls = [detector.detect(frame, { signal: controller.signal }), detector.detect(frame)]
    controller.abort(reason)
    await expect(calls[1]).rejects.toThrow(refusal('ERR_QUEUE_FULL', /1 calls are pending/))
    await expect(calls[0]).rejects.toBe(reason)
    const disposal = detector.dispose()
    await expect(detector.detect(frame)).rejects.toThrow(refusal('ERR_DISPOSED', /disposed/))
    await disposal
    expect(none).toEqual({})
    expect(detector.stats()).toMatchObject({
      frames: 0,
      errors: {
        ERR_INVALID_OPTION: 2,
        ERR_IMAGE: 1,
        ERR_IMAGE_TOO_LARGE: 1,
        ERR_QUEUE_FULL: 1,
        ABORTED: 1,
      },
    })
  })

  it('stay what they are once it is disposed', async () => {
    const detector = await load()
    await Promise.all([detector.detect(frame), detector.detect(frame)])
    const { uptime: _, ...before } = detector.stats()
    await detector.dispose()
    expect(detector.stats()).toMatchObject(before)
  })

  it('tell the bytes of frames that live', async () => {
    await using detector = await load()
    const allocated = detector.allocateFrame({ format: 'grey', width: 10, height: 10 })
    expect(detector.stats().allocatedBytes).toBe(100)
    allocated.dispose()
    expect(detector.stats().allocatedBytes).toBe(0)
  })
})

describe.skipIf(!hasNative)('the stats of a detector', () => {
  it('tell which calls wait, are inside, queued and running, and how large batches were', async () => {
    const { behaviour, letGo } = await held('batches')
    await using detector = await loadFake({ maxPending: 4 }, behaviour)
    const calls = [detector.detect(frame)]
    await until(() => detector.stats().engines[0].running === 1)
    for (let i = 0; i < 5; i++) calls.push(detector.detect(frame))
    expect(detector.stats()).toMatchObject({
      pending: 4,
      waiting: 2,
      pendingBytes: 400,
      engines: [{ queued: 3, running: 1, batches: [] }],
    })
    letGo()
    await Promise.all(calls)
    const { pending, waiting, pendingBytes, engines } = detector.stats()
    expect({ pending, waiting, pendingBytes }).toEqual({ pending: 0, waiting: 0, pendingBytes: 0 })
    const [{ queued, running, batches }] = engines
    expect({ queued, running }).toEqual({ queued: 0, running: 0 })
    expect(batches.slice(0, 1)).toMatchObject([{ batchSize: 1 }])
    expect(batches.reduce((frames, { batchSize, count }) => frames + batchSize * count, 0)).toBe(6)
  })

  it('has those of each GPU', async () => {
    await using detector = await loadFake({ device: [0, 1] }, 'devices=2 together=2')
    await Promise.all([detector.detect(frame), detector.detect(frame)])
    const batches = [{ batchSize: 1, count: 1 }]
    expect(detector.stats().engines).toMatchObject([
      { device: 0, batches },
      { device: 1, batches },
    ])
  })

  it('leave out the test of the engine', async () => {
    await using detector = await loadFake({ engine: { selfTest: true } }, 'batch=2')
    expect(detector.backend.gpus[0].selfTest).not.toBeNull()
    expect(detector.stats().engines).toMatchObject([{ batches: [] }])
  })
})
