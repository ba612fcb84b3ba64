import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { copyFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { cpu } from '#lib/backends/cpu/cpu.js'
import { enginesFolder } from '#lib/engines/cache.js'
import { readEngine, writeEngine } from '#lib/engines/engine-file.js'
import { compareDetections } from '#lib/engines/self-test/comparison.js'
import { testImages } from '#lib/engines/self-test/images.js'
import {
  type BuildOptions,
  buildEngine,
  EfficientDet,
  EfficientDetError,
  type LoadOptions,
  packDetections,
} from '#lib/index.js'
import { kept } from '../helpers/builds.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { EMULATED, engineThatKnows, hasEmulated } from '../helpers/emulated.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { program } from '../helpers/programs.js'
import { refusal } from '../helpers/refusal.js'
import {
  behave,
  COMPARED,
  engineFile,
  load,
  OF_TESTS,
  OPTIONS,
  tested,
  testedFile,
  wrong,
} from '../helpers/self-test.js'

afterEach(() => {
  delete process.env.FAKE_BACKEND
  vi.restoreAllMocks()
})

describe.skipIf(!hasNative)('the self-test of an engine', () => {
  it.each([
    ['wrong=score', COMPARED, /scores differ by up to 0\.150 \(at most 0\.07 is right\)/],
    ['wrong=box', COMPARED, /boxes overlap by 0\.\d+ \(at least 0\.8\)/],
    ['wrong=nothing', COMPARED, /boxes overlap by 0\.000/],
    ['wrong=nan', COMPARED, /The network answered NaN or infinity/],
    ['nonsense=class', COMPARED, /100 detections that cannot be/],
    ['fail=infer', COMPARED, /told to fail/],
    ['wrong=box wrong_context=1', COMPARED / 2, /in context 1,/],
    ['wrong=box wrong_batch=4', 2 * 4, /in a batch of 4,/],
    ['wrong=box wrong_batch=5', 2 * 5, /in a batch of 5,/],
    [
      'wrong=box wrong_context=0 wrong_batch=8 wrong_place=7',
      1,
      /in context 0, in a batch of 8, for frame 7:/,
    ],
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

  it('refuses one also where the cache does not let it go, and the GPU’s timings go with it', async () => {
    await emptyCache()
    await behave('wrong=score')
    const timings = () => readdirSync(enginesFolder()).filter((name) => name.endsWith('.timing'))
    let measured: string[] = []
    const loading = load({
      onProgress: ({ stage }) => {
        if (stage !== 'test' || measured.length > 0) return
        measured = timings()
        const [name] = readdirSync(enginesFolder()).filter((name) => name.endsWith('.engine'))
        rmSync(join(enginesFolder(), name))
        mkdirSync(join(enginesFolder(), name))
      },
    })
    await expect(loading).rejects.toThrow(wrong(/differ/))
    expect([measured.length, timings()]).toEqual([1, []])
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

  it('is not remembered for another GPU of the same kind', async () => {
    await emptyCache()
    await behave()
    await tested()
    await behave('machine=2 wrong=score')
    await expect(load()).rejects.toThrow(wrong(/differ/))
  })

  it('is not remembered by a file that is none of ours', async () => {
    await emptyCache()
    await behave()
    await tested()
    const names = await readdir(enginesFolder())
    const [record] = names.filter((name) => name.endsWith('.tested'))
    await writeFile(join(enginesFolder(), record), '{"figures":{"against":"cpu"}}')
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
    vi.spyOn(cpu, 'open').mockResolvedValue({
      unavailable: { reason: 'onnxruntime-node is not installed', remedy: 'install it', faults: [] },
    })
    await emptyCache()
    await behave('wrong=score')
    expect(await tested()).toMatchObject({ against: 'itself', compared: COMPARED, scoreDifference: 0 })
    await emptyCache()
    await behave('wrong=score wrong_context=1 wrong_place=2')
    await expect(load()).rejects.toThrow(wrong(/answers differ from its first to the same images/))
  })

  it('compares a file without answers with itself, and tests again once they are there', async () => {
    await emptyCache()
    await behave('wrong=score')
    const path = await engineFile({ engine: { selfTest: false } })
    for (const remembered of [false, true]) {
      expect(await testedFile(path)).toMatchObject({ against: 'itself', remembered })
    }
    // The engine in the cache is the same, without answers.
    expect(await tested()).toMatchObject({ against: 'itself', remembered: true })
    await rm(join(enginesFolder(), (await kept(join(enginesFolder(), '..'))).engines[0]))
    await expect(load()).rejects.toThrow(wrong(/differ from the CPU/))
  })

  it('counts for a file without answers where it was passed with them', async () => {
    await emptyCache()
    await behave()
    const path = await engineFile({ engine: { selfTest: false } })
    const { header, plan } = await readEngine(path)
    const other = await engineFile({ maxBatchSize: 2 })
    const { referenceDetections } = (await readEngine(other)).header
    await writeEngine(other, { plan, header: { ...header, referenceDetections } })
    expect(await testedFile(other)).toMatchObject({ against: 'cpu', remembered: false })
    expect(await testedFile(path)).toMatchObject({ against: 'cpu', remembered: true })
  })

  it('is switched off by an option', async () => {
    await emptyCache()
    await behave('wrong=nothing')
    expect(await tested({ engine: { selfTest: false } })).toBeNull()
  })

  it('is made on each GPU', async () => {
    await emptyCache()
    await behave('devices=2')
    await using detector = await load({ device: [0, 1], maxBatchSize: 1 })
    const reports = detector.backend.gpus.map(({ device, selfTest }) => ({ device, ...selfTest }))
    expect(reports).toMatchObject(
      [0, 1].map((device) => ({ device, against: 'cpu', compared: 4, remembered: false })),
    )
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

  it('ends where the backend hangs, which the process outlives', async () => {
    await emptyCache()
    process.env.FAKE_BACKEND = 'hang=1'
    const { code, stdout } = await program(`
      const options = ${JSON.stringify({ ...OPTIONS, inputSize: 64, inferenceDeadline: 500 })}
      await EfficientDet.load('person', options).catch(({ code, message }) => console.log(code, message))
      process.exit(3)
    `)
    expect(stdout).toMatch(
      /^ERR_ENGINE_LOST The backend did not answer a batch of the engine's self-test within 500 ms/,
    )
    expect(code).toBe(3)
  })
})

describe.skipIf(!hasNative)('the answers of the CPU backend in an engine', () => {
  const build = (options: BuildOptions & Pick<LoadOptions, 'signal'> = {}, model = 'person') =>
    buildEngine(model, { backendLibrary: FAKE_BACKEND, inputSize: 64, ...options })

  it('come with its build, after TensorRT’s part, and are what the CPU finds', async () => {
    await emptyCache()
    const heard: { fraction: number; phase: string }[] = []
    const { header, notes, path } = await build({ onProgress: (progress) => heard.push(progress) })
    expect(heard.slice(-2)).toEqual([
      { fraction: 1, phase: 'reference detections for the self-test' },
      { fraction: 1, phase: 'built' },
    ])
    expect(notes).toEqual([])
    await using detector = await EfficientDet.load('person', { backend: 'cpu', inputSize: 64 })
    for (const [i, frame] of (await testImages()).entries()) {
      const { detections } = await detector.detect(frame, OF_TESTS)
      expect(header.referenceDetections?.[i]).toMatchObject(packDetections(detections))
    }
    const kept = (await readEngine(path)).header.referenceDetections!
    for (const [i, answer] of kept.entries()) {
      expect(compareDetections(answer, header.referenceDetections![i]).overlap).toBeGreaterThan(0.999)
    }
    const open = vi.spyOn(cpu, 'open')
    const again = await build()
    expect([again.cached, again.header.referenceDetections, open.mock.calls.length]).toEqual([true, kept, 0])
  })

  it('are not asked for where nobody wants them, nor after a build that failed', async () => {
    await emptyCache()
    const open = vi.spyOn(cpu, 'open')
    expect(await build({ engine: { selfTest: false } })).toMatchObject({
      header: { referenceDetections: null },
      notes: [],
    })
    process.env.FAKE_BACKEND = 'fail=build'
    await expect(build({ maxBatchSize: 1 })).rejects.toThrow(refusal('ERR_ENGINE', /cannot be built/))
    expect(open).not.toHaveBeenCalled()
  })

  it('are missing where there is no onnxruntime, which a note says', async () => {
    vi.spyOn(cpu, 'open').mockResolvedValue({
      unavailable: { reason: 'onnxruntime-node is not installed', remedy: 'install it', faults: [] },
    })
    await emptyCache()
    const { header, notes } = await build()
    expect(header.referenceDetections).toBeNull()
    expect(notes).toEqual([
      expect.stringMatching(/can only compare it with itself.*onnxruntime-node is not installed/),
    ])
  })

  it('are missing where memory does not suffice for them, unless they are tried nevertheless', async () => {
    await emptyCache()
    // The thread that opens the model looks at the memory; the build has its own look before.
    const message = 'It needs about 500 MB of memory, and 330 MB are free.'
    const open = vi.spyOn(cpu, 'open').mockRejectedValue(new EfficientDetError('ERR_OUT_OF_MEMORY', message))
    const options = { inputSize: 512, maxBatchSize: 1 }
    const { header, notes } = await build(options)
    expect(header.referenceDetections).toBeNull()
    expect(notes).toEqual([expect.stringContaining(`with the CPU backend: ${message}`)])
    expect(open.mock.calls[0]![0].engine.checkMemory).toBe(true)
    open.mockRestore()
    const tried = await build({ ...options, engine: { precision: 'fp32', checkMemory: false } })
    expect(tried).toMatchObject({ header: { referenceDetections: [{}, {}, {}] }, notes: [] })
  })

  it.each<[string, (weights: string) => void]>([
    ['changed', (weights) => utimesSync(weights, 0, 0)],
    [
      'replaced by one of equal size and time',
      (weights) => {
        const { atime, mtime } = statSync(weights)
        copyFileSync(weights, `${weights}.new`)
        utimesSync(`${weights}.new`, atime, mtime)
        renameSync(`${weights}.new`, weights)
      },
    ],
  ])('are missing where the weights file was %s meanwhile', async (_, change) => {
    await emptyCache()
    const weights = join(await temporaryFolder(), 'best.safetensors')
    await copyFile('models/person/person.safetensors', weights)
    utimesSync(weights, 1e9, 1e9)
    let isChanged = false
    const onProgress: BuildOptions['onProgress'] = ({ phase }) => {
      if (phase !== 'building' || isChanged) return
      isChanged = true
      change(weights)
    }
    process.env.FAKE_BACKEND = 'step=5000'
    const { header, notes } = await build({ onProgress }, weights)
    expect([isChanged, header.referenceDetections]).toEqual([true, null])
    expect(notes).toEqual([expect.stringMatching(/best\.safetensors was changed while the engine was built/)])
  })

  it('need the picture, which is missed before TensorRT’s part', async () => {
    await emptyCache()
    const { stdout } = await program(`
      import { register } from 'node:module'
      const hook = 'export const resolve = (name, context, next) => name === "sharp" ? Promise.reject(new Error("no")) : next(name, context)'
      register('data:text/javascript,' + encodeURIComponent(hook))
      const { buildEngine } = await import(INDEX)
      const phases = []
      const options = {
        backendLibrary: ${JSON.stringify(FAKE_BACKEND)}, inputSize: 64, onProgress: ({ phase }) => phases.push(phase),
      }
      await buildEngine('person', options).catch(({ code, message }) => console.log(code, phases.length, message))
      await buildEngine('person', { ...options, engine: { selfTest: false } })
      console.log(phases.length > 0)
    `)
    expect(stdout).toMatch(
      /^ERR_IMAGE 0 Engines are tested with a photograph.*leave the test out: engine\.selfTest: false.*\ntrue\n$/,
    )
  })

  it('can be cancelled, and nothing is left', async () => {
    const cache = await emptyCache()
    const controller = new AbortController()
    const building = build({
      inputSize: 1024,
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase.startsWith('reference')) setImmediate(() => controller.abort(new Error('enough')))
      },
    })
    await expect(building).rejects.toThrow('enough')
    expect(await kept(cache)).toEqual({ engines: [], others: [] })
  })
})

describe.skipIf(!hasNative || !hasEmulated)('the TensorRT backend, emulated', () => {
  it('passes the self-test, and answers as the CPU does', async () => {
    await emptyCache()
    const frames = await testImages()
    const path = await engineThatKnows(frames, { side: 64, maxBatchSize: 4 })
    await using onCpu = await EfficientDet.load('person', { backend: 'cpu', inputSize: 64 })
    const answers = await Promise.all(
      frames.map(async (frame) => packDetections((await onCpu.detect(frame, OF_TESTS)).detections)),
    )
    const { header, plan } = await readEngine(path)
    await writeEngine(path, { plan, header: { ...header, referenceDetections: answers } })
    const engine = { ...EMULATED.engine, selfTest: true }
    await using gpu = await EfficientDet.load(path, { ...EMULATED, engine })
    const { selfTest } = gpu.backend.gpus[0]
    expect(selfTest).toMatchObject({ against: 'cpu', compared: 2 * (1 + 1 + 2 + 2 + 4 + 3) })
    expect(selfTest?.scoreDifference).toBeLessThan(0.0001)
    expect(selfTest?.overlap).toBeGreaterThan(0.999)
    for (const [i, frame] of frames.entries()) {
      const { detections } = await gpu.detect(frame, OF_TESTS)
      const { scoreDifference, overlap } = compareDetections(packDetections(detections), answers[i])
      expect(scoreDifference).toBeLessThan(1e-6)
      expect(overlap).toBeGreaterThan(0.9999)
    }
  })
})

describe.skipIf(!hasNative)('what a detector tells of its GPUs', () => {
  it('is what runs, and how', async () => {
    await emptyCache()
    process.env.FAKE_BACKEND = 'contexts=2 devices=2 batch=4'
    await using detector = await load({
      device: 1,
      contexts: 3,
      maxBatchSize: 5,
      engine: { precision: 'bf16', selfTest: false },
    })
    expect(detector.backend.gpus).toEqual([
      {
        device: 1,
        name: 'Fake GPU',
        uuid: 'GPU-1-1',
        computeCapability: '8.9',
        family: 'fake',
        libraryVersion: '1.0',
        precision: 'bf16',
        maxBatchSize: 4,
        profileBatchSizes: [1, 2, 4, 5],
        contexts: 2,
        deviceBytes: 1 << 20,
        graphs: [],
        selfTest: null,
      },
    ])
  })

  it('is nothing on the CPU', async () => {
    await using detector = await EfficientDet.load('person', { backend: 'cpu', inputSize: 64 })
    expect(detector.backend.gpus).toEqual([])
  })
})
