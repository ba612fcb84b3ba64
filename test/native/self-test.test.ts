import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { cpu } from '#lib/backends/cpu/cpu.js'
import { unavailable } from '#lib/backends/unavailable.js'
import { agreementOf, COMPARED as OF_TESTS } from '#lib/engines/agreement.js'
import { enginesFolder } from '#lib/engines/cache.js'
import { testFrames } from '#lib/engines/test-frames.js'
import { buildEngine, EfficientDet, type EfficientDetError, type LoadOptions } from '#lib/index.js'
import { kept } from '../helpers/builds.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { EMULATED, engineThatKnows, hasEmulated } from '../helpers/emulated.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { program } from '../helpers/programs.js'
import { refusal } from '../helpers/refusal.js'

/** Batches of 1, 2, 4 and 8 with each of these full and as empty as it runs, in two slots. */
const COMPARED = 2 * (1 + 1 + 2 + 2 + 4 + 3 + 8 + 5)

/** What the CPU answers to the test's pictures, in a file of the fake backend's. */
let known: Promise<Buffer> | null = null

async function answersOfCpu(): Promise<Buffer> {
  const detector = await EfficientDet.load('person', { backend: 'cpu', size: 64 })
  const parts: Uint8Array[] = []
  for (const frame of await testFrames()) {
    let hash = 2166136261
    for (const byte of frame.data.subarray(0, 3 * frame.width)) hash = Math.imul(hash ^ byte, 16777619)
    const { packed } = await detector.detect(frame, { scoreThreshold: 0, iouThreshold: 1 })
    const { boxes, scores, classIds } = packed
    parts.push(new Uint8Array(Uint32Array.of(hash, scores.length).buffer))
    scores.forEach((score, i) => {
      parts.push(new Uint8Array(Float32Array.of(...boxes.subarray(4 * i, 4 * i + 4), score).buffer))
      parts.push(new Uint8Array(Uint32Array.of(classIds[i]).buffer))
    })
  }
  await detector.dispose()
  return Buffer.concat(parts)
}

/** Has the fake backend answer as the CPU does, and besides as told. */
async function behave(behaviour = ''): Promise<void> {
  known ??= answersOfCpu()
  process.env.FAKE_BACKEND = `slots=2 answers=${await temporaryFile(await known, 'answers')} ${behaviour}`
}

const OPTIONS = { backend: 'tensorrt', backendLibrary: FAKE_BACKEND } as const

const load = (options: LoadOptions = {}, model = 'person') =>
  EfficientDet.load(model, { ...OPTIONS, size: 64, ...options })

/** What the test of a detector's engine showed. */
async function tested(options: LoadOptions = {}) {
  await using detector = await load(options)
  return detector.backend.gpus[0].selfTest
}

const wrong = (message: RegExp) => refusal('ERR_ENGINE', message)

afterEach(() => {
  delete process.env.FAKE_BACKEND
  vi.restoreAllMocks()
})

describe.skipIf(!hasNative)('the self-test of an engine', () => {
  it('is passed by one that answers as the CPU does, in every slot and with every batch size', async () => {
    await emptyCache()
    await behave()
    const heard: string[] = []
    const selfTest = await tested({ onProgress: ({ stage, fraction }) => heard.push(`${stage} ${fraction}`) })
    expect(selfTest).toEqual({
      against: 'cpu',
      compared: COMPARED,
      scoreDifference: 0,
      overlap: expect.closeTo(1, 6),
      remembered: false,
    })
    const stages = heard.filter((stage) => stage.startsWith('test'))
    expect(stages.length).toBeGreaterThan(10)
    expect([stages[0], stages.at(-1), heard.at(-1)]).toEqual(['test 0', 'test 1', 'test 1'])
  })

  it.each([
    ['wrong=score', COMPARED, /scores differ by up to 0\.150 \(at most 0\.07 is right\)/],
    ['wrong=box', COMPARED, /boxes overlap by 0\.\d+ \(at least 0\.8\)/],
    ['wrong=nothing', COMPARED, /boxes overlap by 0\.000/],
    ['wrong=nan', COMPARED, /The network answered NaN or infinity/],
    ['nonsense=class', COMPARED, /100 detections that cannot be/],
    ['fail=infer', COMPARED, /told to fail/],
    ['wrong=box wrong_slot=1', COMPARED / 2, /in slot 1,/],
    ['wrong=box wrong_batch=4', 2 * 4, /in a batch of 4,/],
    ['wrong=box wrong_batch=5', 2 * 5, /in a batch of 5,/],
    ['wrong=box wrong_slot=0 wrong_batch=8 wrong_place=7', 1, /in slot 0, in a batch of 8, for frame 7:/],
    ['wrong=frame wrong_batch=2', 2 * 4, /in a batch of 2,/],
  ])('refuses one with %s, which leaves the cache', async (behaviour, count, message) => {
    const cache = await emptyCache()
    await behave(behaviour)
    const error: EfficientDetError = await load().then(
      () => expect.unreachable(),
      (reason) => reason,
    )
    expect(error).toEqual(wrong(message))
    expect(error.message).toMatch(`${count} of ${COMPARED} answers differ from the CPU backend's`)
    expect(error.details).toMatchObject({ fault: 'wrong', against: 'cpu', wrong: count, compared: COMPARED })
    expect(await kept(cache)).toEqual({ engines: [], others: [] })
    await behave()
    expect(await tested()).toMatchObject({ against: 'cpu' })
  })

  it('is remembered, for the same engine in the same use', async () => {
    await emptyCache()
    await behave()
    const first = await tested()
    // Were it tested again, it would be refused.
    await behave('wrong=score')
    expect(await tested()).toEqual({ ...first, remembered: true })
    await expect(load({ maxBatchSize: 4 })).rejects.toThrow(wrong(/differ/))
    await expect(load({ contexts: 1 })).rejects.toThrow(wrong(/differ/))
    await expect(load({ engine: { precision: 'fp32' } })).rejects.toThrow(wrong(/differ/))
  })

  it('is not remembered by a file that is none of ours', async () => {
    await emptyCache()
    await behave()
    await tested()
    const names = await readdir(enginesFolder())
    const [record] = names.filter((name) => name.endsWith('.tested'))
    await writeFile(join(enginesFolder(), record), '{"figures":{},"withWeights":true}')
    expect(await tested()).toMatchObject({ remembered: false })
    expect(await tested()).toMatchObject({ remembered: true })
  })

  it('is made at every load where nothing can be kept', async () => {
    await emptyCache()
    vi.stubEnv('EFFICIENTDET_CACHE', await temporaryFile('a file', 'cache'))
    await behave()
    for (let i = 0; i < 2; i++) expect(await tested()).toMatchObject({ remembered: false })
  })

  it('compares an engine with itself where there is no onnxruntime', async () => {
    vi.spyOn(cpu, 'open').mockRejectedValue(
      unavailable('cpu', 'onnxruntime-node is not installed', 'install it'),
    )
    await emptyCache()
    await behave('wrong=score')
    expect(await tested()).toMatchObject({ against: 'itself', compared: COMPARED, scoreDifference: 0 })
    await emptyCache()
    await behave('wrong=score wrong_slot=1 wrong_place=2')
    await expect(load()).rejects.toThrow(wrong(/answers differ from its first to the same pictures/))
  })

  it('compares an engine file with itself, and later its engine with the weights', async () => {
    await emptyCache()
    await behave('wrong=score')
    const output = join(await temporaryFolder(), 'person.engine')
    await buildEngine('person', { backendLibrary: FAKE_BACKEND, size: 64, output })
    for (const remembered of [false, true]) {
      await using detector = await EfficientDet.load(output, OPTIONS)
      expect(detector.backend.gpus[0].selfTest).toMatchObject({ against: 'itself', remembered })
    }
    await expect(load()).rejects.toThrow(wrong(/differ from the CPU/))
  })

  it('is switched off by an option', async () => {
    await emptyCache()
    await behave('wrong=nothing')
    expect(await tested({ engine: { selfTest: false } })).toBeNull()
  })

  it('is made on each GPU', async () => {
    await emptyCache()
    await behave('devices=2')
    const open = vi.spyOn(cpu, 'open')
    await using detector = await load({ devices: [0, 1], maxBatchSize: 1 })
    const reports = detector.backend.gpus.map(({ device, selfTest }) => ({ device, ...selfTest }))
    expect(reports).toMatchObject([0, 1].map((device) => ({ device, compared: 4, remembered: false })))
    expect(open).toHaveBeenCalledTimes(1)
  })

  it('can be cancelled', async () => {
    await emptyCache()
    await behave('delay=50000')
    const controller = new AbortController()
    const loading = load({
      signal: controller.signal,
      onProgress: ({ stage, fraction }) => {
        if (stage === 'test' && fraction > 0) controller.abort(new Error('enough'))
      },
    })
    await expect(loading).rejects.toThrow('enough')
    expect(await tested()).toMatchObject({ remembered: false })
  })

  it('leaves the event loop alone', async () => {
    await emptyCache()
    await behave('delay=50000')
    let ticks = 0
    const timer = setInterval(() => ticks++, 10)
    onTestFinished(() => clearInterval(timer))
    let before = 0
    await tested({
      onProgress: ({ stage, fraction }) => {
        if (stage === 'test' && fraction === 0) before = ticks
      },
    })
    // Eight batches in each slot, side by side, take 400 ms at least.
    expect(ticks - before).toBeGreaterThan(15)
  })

  it('ends where the backend hangs, which the process outlives', async () => {
    await emptyCache()
    process.env.FAKE_BACKEND = 'hang=1'
    const { code, stdout } = await program(`
      const options = ${JSON.stringify({ ...OPTIONS, size: 64, inferenceDeadline: 500 })}
      await EfficientDet.load('person', options).catch(({ code, message }) => console.log(code, message))
      process.exit(3)
    `)
    expect(stdout).toMatch(
      /^ERR_INFERENCE The backend did not answer a batch of the engine's self-test within 500 ms/,
    )
    expect(code).toBe(3)
  })
})

describe.skipIf(!hasNative || !hasEmulated)('the TensorRT backend, emulated', () => {
  it('passes the self-test, and answers as the CPU does', async () => {
    await emptyCache()
    const frames = await testFrames()
    const path = await engineThatKnows(frames, { side: 64, maxBatch: 4 })
    const engine = { ...EMULATED.engine, selfTest: true }
    await using gpu = await EfficientDet.load(path, { ...EMULATED, engine })
    expect(gpu.backend.gpus[0].selfTest).toMatchObject({
      against: 'itself',
      compared: 2 * (1 + 1 + 2 + 2 + 4 + 3),
      scoreDifference: 0,
    })
    await using onCpu = await EfficientDet.load('person', { backend: 'cpu', size: 64 })
    for (const frame of frames) {
      const [a, b] = [await gpu.detect(frame, OF_TESTS), await onCpu.detect(frame, OF_TESTS)]
      const { scoreDifference, overlap } = agreementOf(a.packed, b.packed)
      expect(scoreDifference).toBeLessThan(1e-6)
      expect(overlap).toBeGreaterThan(0.9999)
    }
  })
})

describe.skipIf(!hasNative)('what a detector tells of its GPUs', () => {
  it('is what runs, and how', async () => {
    await emptyCache()
    process.env.FAKE_BACKEND = 'slots=2 devices=2 batch=4'
    await using detector = await load({
      devices: [1],
      contexts: 3,
      maxBatchSize: 5,
      engine: { precision: 'bf16', selfTest: false },
    })
    expect(detector.backend.gpus).toEqual([
      {
        device: 1,
        name: 'Fake GPU',
        computeCapability: '8.9',
        backend: 'fake',
        libraryVersion: '1.0',
        precision: 'bf16',
        maxBatch: 4,
        buckets: [1, 2, 4, 5],
        contexts: 2,
        deviceBytes: 1 << 20,
        selfTest: null,
      },
    ])
  })

  it('is nothing on the CPU', async () => {
    await using detector = await EfficientDet.load('person', { backend: 'cpu', size: 64 })
    expect(detector.backend.gpus).toEqual([])
  })
})
