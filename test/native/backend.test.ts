import { getEventListeners } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { loadAddon } from '#lib/backends/tensorrt/addon.js'
import { YUV_MATRICES, YUV_RANGES } from '#lib/image/yuv.js'
import { buildEngine, type DetectionResult, EfficientDet, type Frame, type LoadOptions } from '#lib/index.js'
import { held } from '../helpers/builds.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative, NEXT_FAKE_BACKEND } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

/** The fake backend answers with a box of the frame's size whose score is its first byte over 255. */
function frame(mark: number, width = 8, height = 8): Frame {
  return { data: new Uint8Array(width * height).fill(mark), format: 'grey', width, height }
}

const markOf = (result: DetectionResult) => Math.round(result.detections[0].score * 255)

const FAKE = { backend: 'tensorrt', backendLibrary: FAKE_BACKEND } as const
/** It answers for no network at all. */
const UNTESTED = { selfTest: false }

let folder: string
beforeAll(async () => {
  if (!hasNative) return
  folder = await mkdtemp(join(tmpdir(), 'efficientdet-test-'))
  vi.stubEnv('EFFICIENTDET_CACHE', folder)
  const output = join(folder, 'person.engine')
  await buildEngine('person', { backendLibrary: FAKE_BACKEND, inputSize: 64, output, engine: UNTESTED })
  vi.unstubAllEnvs()
})
afterEach(() => {
  vi.restoreAllMocks()
  delete process.env.FAKE_BACKEND
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Loads an engine of `person` on the fake backend, which is told how to behave. */
function load(behaviour = '', options: LoadOptions = {}): Promise<EfficientDet> {
  process.env.FAKE_BACKEND = behaviour
  return EfficientDet.load(join(folder, 'person.engine'), { ...FAKE, engine: UNTESTED, ...options })
}

/** Loads its weights, for which an engine is built. */
async function loadWeights(behaviour = '', options: LoadOptions = {}): Promise<EfficientDet> {
  await emptyCache()
  process.env.FAKE_BACKEND = behaviour
  return EfficientDet.load('person', { ...FAKE, inputSize: 64, engine: UNTESTED, ...options })
}

describe.skipIf(!hasNative)('a native backend', () => {
  describe('loading', () => {
    it('tells what runs', async () => {
      const detector = await loadWeights()
      expect(detector.backend).toMatchObject({
        name: 'tensorrt',
        description: 'fake backend 1.0: Fake GPU, float32',
      })
      await detector.dispose()
    })

    it('reports the progress of the build, which never falls and ends at 1', async () => {
      // What comes between is told while the event loop has time; if it has none, the build is slower next time.
      for (let step = 200, between = 0; between === 0; step *= 4) {
        const fractions: number[] = []
        const detector = await loadWeights(`step=${step}`, {
          onProgress: ({ stage, fraction }) => stage === 'engine' && fractions.push(fraction),
        })
        await detector.dispose()
        expect(fractions).toEqual([...fractions].sort((a, b) => a - b))
        expect([fractions[0], fractions.at(-1)]).toEqual([0, 1])
        between = fractions.filter((fraction) => fraction > 0 && fraction < 1).length
      }
    })

    it.each([
      ['a file that is not there', '/nowhere/libbackend.so', /There is no \/nowhere\/libbackend\.so\./],
      ['a library of another version', NEXT_FAKE_BACKEND, /speaks version \d+ of the backend contract/],
    ])('refuses %s', async (_, backendLibrary, message) => {
      await expect(loadWeights('', { backendLibrary })).rejects.toThrow(
        refusal('ERR_BACKEND_UNAVAILABLE', message),
      )
    })

    it('refuses a file that is no library', async () => {
      const path = join(tmpdir(), `efficientdet-no-library-${process.pid}.so`)
      await writeFile(path, 'not a library')
      await expect(loadWeights('', { backendLibrary: path })).rejects.toThrow(
        refusal('ERR_BACKEND_UNAVAILABLE', /file too short|invalid ELF header/),
      )
    })

    it('refuses a library without a backend', async () => {
      const backendLibrary = FAKE_BACKEND.replace('libefficientdet_fake.so', 'efficientdet_trt.node')
      await expect(loadWeights('', { backendLibrary })).rejects.toThrow(
        refusal('ERR_BACKEND_UNAVAILABLE', /is a library, but no backend/),
      )
    })

    it.each([
      ['fail=attach', 'ERR_BACKEND_UNAVAILABLE', /there is no libfake\.so\.1 where the system looks/],
      ['fail=probe', 'ERR_BACKEND_UNAVAILABLE', /no fake GPU was found/],
      ['fail=build', 'ERR_ENGINE', /cannot be built: node \/backbone\/conv_stem/],
      ['fail=load', 'ERR_ENGINE', /cannot be loaded: the engine was built for another device/],
    ])('passes on why the backend refuses: %s', async (behaviour, code, message) => {
      await expect(loadWeights(behaviour)).rejects.toThrow(refusal(code, message))
    })

    it('hands on what the libraries said when a build fails', async () => {
      await expect(loadWeights('fail=build')).rejects.toMatchObject({
        details: { log: 'the fake builder was asked to build\n' },
      })
    })

    it('ends a load when the signal aborts, at once, and loads again afterwards', async () => {
      const controller = new AbortController()
      const reason = new Error('enough')
      const { behaviour } = await held('load')
      const loadEngine = vi.spyOn(loadAddon(), 'loadEngine')
      const loading = load(behaviour, { signal: controller.signal })
      await vi.waitFor(() => expect(loadEngine).toHaveBeenCalled())
      controller.abort(reason)
      await expect(loading).rejects.toBe(reason)
      // The backend ends it, too, though it is held still.
      await expect(loadEngine.mock.results[0].value).rejects.toThrow('The load was cancelled.')
      await (await load()).dispose()
    })

    it('keeps the kernels that a load compiled beside the engine, for the next load there', async () => {
      const beside = join(folder, 'person.Fake_GPU.kernels')
      const loadEngine = vi.spyOn(loadAddon(), 'loadEngine')
      const given = async (behaviour: string) => {
        await (await load(behaviour)).dispose()
        const kernels = loadEngine.mock.lastCall?.[3].kernels ?? null
        return kernels === null ? null : Buffer.from(kernels).toString()
      }
      expect(await given('kernels=some')).toBeNull()
      expect(await given('kernels=some')).toBe('some')
      const { mtimeMs } = await stat(beside)
      expect(await given('kernels=some')).toBe('some')
      expect((await stat(beside)).mtimeMs).toBe(mtimeMs)
      expect(await given('kernels=more')).toBe('some')
      expect(await given('kernels=more')).toBe('more')
      // Bytes that nobody wrote reach no GPU.
      await writeFile(beside, (await readFile(beside)).fill(0, 35))
      expect(await given('kernels=more')).toBeNull()
      expect(await given('kernels=more')).toBe('more')
    })

    it('works on one batch at a time where the GPU shares the memory of the host, unless told', async () => {
      const contexts = async (behaviour: string, options: LoadOptions = {}) => {
        await using detector = await load(behaviour, options)
        return detector.backend.gpus[0].contexts
      }
      expect(await contexts('contexts=8')).toBe(2)
      expect(await contexts('contexts=8 integrated=1')).toBe(1)
      expect(await contexts('contexts=8 integrated=1', { contexts: 3 })).toBe(3)
    })

    it('ends a build when the signal aborts, and builds again afterwards', async () => {
      const controller = new AbortController()
      const reason = new Error('enough')
      let reached = 0
      const loading = loadWeights('step=20000', {
        signal: controller.signal,
        onProgress: ({ stage, fraction }) => {
          if (stage !== 'engine') return
          reached = fraction
          if (fraction > 0.02) controller.abort(reason)
        },
      })
      await expect(loading).rejects.toBe(reason)
      expect(reached).toBeLessThan(0.5)
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
      await (await loadWeights()).dispose()
    })
  })

  describe('detecting', () => {
    it('gives 64 concurrent callers their own results', async () => {
      const detector = await load('delay=1000', { maxPending: 64 })
      const marks = Array.from({ length: 64 }, (_, i) => i + 1)
      const results = await Promise.all(marks.map((mark) => detector.detect(frame(mark, mark, 2 * mark))))
      expect(results.map(markOf)).toEqual(marks)
      expect(results.map(({ detections }) => [...detections[0].box])).toEqual(
        marks.map((mark) => [0, 0, mark, 2 * mark]),
      )
      await detector.dispose()
    })

    it('keeps to the frame as it was when the call was made, with room or without', async () => {
      const detector = await load('delay=5000 batch=1', { maxPending: 2 })
      const frames = [1, 2, 3, 4].map((mark) => frame(mark))
      const calls = frames.map((each) => detector.detect(each))
      for (const { data } of frames) data.fill(200)
      expect((await Promise.all(calls)).map(markOf)).toEqual([1, 2, 3, 4])
      await detector.dispose()
    })

    it('takes frames whose fields are getters, also where they have to wait', async () => {
      class Picture {
        readonly #data = new Uint8Array(16).fill(9)
        get data() {
          return this.#data
        }
        get format() {
          return 'grey' as const
        }
        get width() {
          return 4
        }
        get height() {
          return 4
        }
      }
      const detector = await load('delay=5000', { maxPending: 1 })
      const results = await Promise.all([1, 2].map(() => detector.detect(new Picture())))
      expect(results.map(markOf)).toEqual([9, 9])
      await detector.dispose()
    })

    it('reads memory that is shared, and rows with gaps', async () => {
      const detector = await load()
      const data = new Uint8Array(new SharedArrayBuffer(64)).fill(7)
      expect(markOf(await detector.detect({ data, format: 'grey', width: 4, height: 4, stride: 16 }))).toBe(7)
      await detector.dispose()
    })

    it('hands on frames on a GPU as they are, to the one that they are on', async () => {
      // The last of the fake GPUs fails; the others answer with the address's last byte.
      const detector = await load('devices=2 fail=device', { device: [0, 1] })
      const onGpu = {
        format: 'grey',
        width: 4,
        height: 4,
        byteLength: 16,
        devicePointer: 0x7f_0000_0009n,
      } as const
      expect(markOf(await detector.detect(onGpu))).toBe(9)
      await expect(detector.detect({ ...onGpu, device: 1 })).rejects.toThrow(refusal('ERR_DEVICE_LOST', /./))
      await expect(detector.detect({ ...onGpu, device: 2 })).rejects.toThrow(
        refusal('ERR_INVALID_OPTION', /lies on GPU 2, and the detector runs on GPU 0.*device: 2\./),
      )
      await detector.dispose()
    })

    it('says when a limit left something out', async () => {
      const detector = await load('found=500')
      const { detections, capped } = await detector.detect(frame(1), { maxDetections: 3 })
      expect(detections).toHaveLength(3)
      expect(capped).toEqual({ preNmsTopK: false, maxDetections: true })
      await detector.dispose()
    })

    it('tells of NaN for the frame that had it, and answers the others of its batch', async () => {
      const detector = await load('not_finite=3 delay=5000')
      const settled = await Promise.allSettled(
        [1, 2, 3, 4, 5].map((mark) => detector.detect(frame(mark, mark))),
      )
      expect(settled.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
      ])
      expect(settled[2]).toMatchObject({
        reason: { code: 'ERR_INFERENCE', message: expect.stringContaining('NaN or infinity') },
      })
      await detector.dispose()
    })

    it('refuses a frame that the backend does not take, and answers the others of its batch', async () => {
      const detector = await load('refuse=3 delay=5000')
      const settled = await Promise.allSettled([1, 2, 3, 4, 5].map((mark) => detector.detect(frame(mark))))
      expect(settled.map(({ status }) => status === 'fulfilled')).toEqual([true, true, false, true, true])
      expect(settled[2]).toMatchObject({
        reason: refusal('ERR_INVALID_OPTION', /^A frame is refused\.$/),
      })
      await detector.dispose()
    })

    it("hands each frame's matrix and range on, which are BT.601 and limited where it does not say", async () => {
      for (const [at, matrix] of YUV_MATRICES.entries()) {
        for (const [full, range] of YUV_RANGES.entries()) {
          const detector = await load(`yuv=${2 * at + full}`)
          const nv12 = { data: new Uint8Array(6).fill(51), format: 'nv12', width: 2, height: 2 } as const
          const { data: _, ...layout } = nv12
          for (const frame of [nv12, { ...layout, devicePointer: 51n, byteLength: 6 }]) {
            expect(markOf(await detector.detect({ ...frame, matrix, range }))).toBe(51)
            const plain = detector.detect(frame)
            if (at === 0 && full === 0) expect(markOf(await plain)).toBe(51)
            else await expect(plain).rejects.toThrow(refusal('ERR_INVALID_OPTION', /another matrix or range/))
          }
          await detector.dispose()
        }
      }
    })

    it.each([
      [{}, 0],
      [{ event: 0x7_0005n }, 256 + 5],
      [{ stream: 0x7_0006n }, 512 + 6],
      [{ stream: 0n }, 512],
    ])('hands on what a frame on a GPU waits for: %o', async (readiness, awaited) => {
      const detector = await load(`awaited=${awaited}`)
      const onGpu = { devicePointer: 51n, byteLength: 1, format: 'grey', width: 1, height: 1 } as const
      expect(markOf(await detector.detect({ ...onGpu, ...readiness }))).toBe(51)
      await expect(detector.detect({ ...onGpu, event: 9n })).rejects.toThrow(
        refusal('ERR_INVALID_OPTION', /^A frame waits otherwise\.$/),
      )
      await detector.dispose()
    })

    it('tells that the device was lost, and loads again', async () => {
      const detector = await load('fail=device')
      await expect(detector.detect(frame(1))).rejects.toThrow(
        refusal('ERR_DEVICE_LOST', /illegal memory access/),
      )
      await detector.dispose()
      await (await load()).dispose()
    })

    it.each([
      ['fail=infer', /told to fail/],
      ['nonsense=count', /101 detections that cannot be/],
      ['nonsense=class', /cannot be/],
      ['nonsense=nan', /cannot be/],
    ])('turns a broken answer into an error: %s', async (behaviour, message) => {
      const detector = await load(behaviour)
      await expect(detector.detect(frame(1))).rejects.toThrow(refusal('ERR_INFERENCE', message))
      await detector.dispose()
    })

    it('has the caller in the stack of an error', async () => {
      const detector = await load('fail=infer')
      async function myCaller() {
        return await detector.detect(frame(1))
      }
      const error = await myCaller().catch((thrown: Error) => thrown)
      expect((error as Error).stack).toContain('myCaller')
      await detector.dispose()
    })

    it('gives up a backend that does not answer, and does not wait for it any more', async () => {
      const detector = await load('hang=1', { inferenceDeadline: 100 })
      await expect(detector.detect(frame(1))).rejects.toThrow(
        refusal('ERR_ENGINE_LOST', /did not answer within 100 ms/),
      )
      await expect(detector.detect(frame(1))).rejects.toThrow(refusal('ERR_ENGINE_LOST', /taken for dead/))
      await detector.dispose()
    })

    it('notices a backend that does not answer though its callers do not wait so long', async () => {
      const detector = await load('hang=1', { inferenceDeadline: 200 })
      const impatient = () => detector.detect(frame(1), { signal: AbortSignal.timeout(50) })
      await expect(impatient()).rejects.toThrow(/timeout/)
      await expect
        .poll(() => impatient().catch((error) => error), { timeout: 60_000 })
        .toEqual(refusal('ERR_ENGINE_LOST', /taken for dead/))
      await detector.dispose()
    })

    it('is disposed though it hangs', async () => {
      const detector = await load('hang=1', { inferenceDeadline: 300 })
      await expect(detector.detect(frame(1), { signal: AbortSignal.timeout(20) })).rejects.toThrow(/timeout/)
      await detector.dispose()
    })
  })

  describe('several batches at the same time', () => {
    /** Eight calls, one a batch, none of which ends before four run. */
    async function expectFourTogether(behaviour: string, options: LoadOptions): Promise<void> {
      const detector = await load(`together=4 batch=1 ${behaviour}`, { maxBatchSize: 1, ...options })
      const marks = Array.from({ length: 8 }, (_, i) => i + 1)
      const results = await Promise.all(marks.map((mark) => detector.detect(frame(mark))))
      expect(results.map(markOf)).toEqual(marks)
      await detector.dispose()
    }

    it('run in the contexts of a GPU, as many as it has room for', async () => {
      await expectFourTogether('contexts=4', { contexts: 4 })
      // Two batches at once in one context are an error of the fake backend's.
      const detector = await load('contexts=1 batch=1', { maxBatchSize: 1, contexts: 4 })
      const marks = [1, 2, 3, 4]
      expect((await Promise.all(marks.map((mark) => detector.detect(frame(mark))))).map(markOf)).toEqual(
        marks,
      )
      await detector.dispose()
    })

    it('run on several GPUs', async () => {
      await expectFourTogether('devices=4', { device: [0, 1, 2, 3] })
    })

    it('leave a GPU out whose backend hangs', async () => {
      const detector = await load('devices=2 hang=device', { device: [0, 1], inferenceDeadline: 2000 })
      const settled = await Promise.allSettled([1, 2, 3, 4].map((mark) => detector.detect(frame(mark))))
      expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(2)
      const marks = [5, 6, 7, 8]
      const results = await Promise.all(marks.map((mark) => detector.detect(frame(mark))))
      expect(results.map(markOf)).toEqual(marks)
      await detector.dispose()
    })

    it('leave a GPU out that was lost', async () => {
      const detector = await load('devices=2 fail=device', { device: [0, 1] })
      expect(detector.backend.description).toMatch(/Fake GPU, float32; .*Fake GPU 1, float32/)
      const settled = await Promise.allSettled([1, 2, 3, 4].map((mark) => detector.detect(frame(mark))))
      const failures = settled.filter(({ status }) => status === 'rejected')
      expect(failures.length).toBeGreaterThan(0)
      // The loss of one GPU is the end of the calls that it had, not of streams.
      for (const failure of failures) {
        expect(failure).toMatchObject({
          reason: refusal('ERR_INFERENCE', /illegal memory access.* The other GPUs go on without GPU 1/),
        })
      }
      // Four more, two of which would have gone to the one that was lost.
      const marks = [5, 6, 7, 8]
      const results = await Promise.all(marks.map((mark) => detector.detect(frame(mark))))
      expect(results.map(markOf)).toEqual(marks)
      await detector.dispose()
    })

    it('is refused for a GPU that is not there, and leaves none loaded', async () => {
      await expect(load('devices=2', { device: [0, 2] })).rejects.toThrow(
        refusal('ERR_INVALID_OPTION', /device is 2; there are 2 here/),
      )
    })
  })

  describe('cancelling', () => {
    it('rejects at once: before, while queued, while running', async () => {
      const hold = await held('batches')
      const detector = await load(`${hold.behaviour} batch=1`)
      const reason = new Error('no longer needed')
      await expect(detector.detect(frame(1), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)

      const controller = new AbortController()
      const { signal } = controller
      const running = detector.detect(frame(1), { signal })
      const queued = detector.detect(frame(2), { signal })
      const other = detector.detect(frame(3))
      const outcomes = Promise.allSettled([running, queued])
      setImmediate(() => controller.abort(reason))
      // The aborted calls do not wait for the batch that runs.
      expect(await outcomes).toEqual(Array(2).fill({ status: 'rejected', reason }))
      hold.letGo()
      expect(markOf(await other)).toBe(3)
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      await detector.dispose()
    })
  })

  describe('a queue that fills', () => {
    it('rejects where that was asked for', async () => {
      const detector = await load('delay=20000 batch=1', { maxPending: 3, whenFull: 'reject' })
      const calls = [1, 2, 3].map((mark) => detector.detect(frame(mark)))
      await expect(detector.detect(frame(4))).rejects.toThrow(
        refusal('ERR_QUEUE_FULL', /3 calls are pending/),
      )
      expect((await Promise.all(calls)).map(markOf)).toEqual([1, 2, 3])
      expect(markOf(await detector.detect(frame(5)))).toBe(5)
      await detector.dispose()
    })

    it('waits otherwise', async () => {
      const detector = await load('delay=1000', { maxPending: 3 })
      const marks = Array.from({ length: 40 }, (_, i) => i)
      expect((await Promise.all(marks.map((mark) => detector.detect(frame(mark))))).map(markOf)).toEqual(
        marks,
      )
      await detector.dispose()
    })
  })

  describe('many images', () => {
    /** 200 frames, and how many of them were taken. */
    function source() {
      const frames = {
        taken: 0,
        *[Symbol.iterator]() {
          for (; frames.taken < 200; frames.taken++) yield frame(1 + frames.taken)
        },
      }
      return frames
    }

    it.each([
      ['fail=device', 'ERR_DEVICE_LOST'],
      ['hang=1', 'ERR_ENGINE_LOST'],
    ])('end with their engine: %s, %s', async (behaviour, code) => {
      const detector = await load(behaviour, { inferenceDeadline: 100 })
      const [streamed, batched] = [source(), source()]
      const stream = detector.stream(streamed, { onError: 'yield' })
      await expect(stream.next()).rejects.toThrow(refusal(code, /./))
      await expect(detector.detectBatch(batched)).rejects.toThrow(refusal(code, /./))
      // Those of the first batch make room for others before the end is heard.
      expect(streamed.taken).toBeLessThan(100)
      expect(batched.taken).toBeLessThan(100)
      await detector.dispose()
    })

    it.each([
      ['all fail', 'fail=infer', {}],
      ['one GPU of two is lost', 'devices=2 fail=device', { device: [0, 1] }],
    ])('go on though %s', async (_, behaviour, options) => {
      const detector = await load(behaviour, options)
      let count = 0
      for await (const _ of detector.stream(source(), { onError: 'yield' })) count++
      expect(count).toBe(200)
      const codes = (await detector.detectBatch(source())).map((outcome) =>
        'error' in outcome ? outcome.error.code : 'found',
      )
      expect([...new Set(codes)]).toEqual([behaviour === 'fail=infer' ? 'ERR_INFERENCE' : 'found'])
      await detector.dispose()
    })
  })

  describe('disposing', () => {
    it('waits for what is in flight, and may be repeated', async () => {
      const detector = await load('delay=30000 batch=1')
      const calls = [1, 2, 3].map((mark) => detector.detect(frame(mark)))
      const disposal = detector.dispose()
      await expect(detector.detect(frame(4))).rejects.toThrow(refusal('ERR_DISPOSED', /disposed/))
      expect((await Promise.all(calls)).map(markOf)).toEqual([1, 2, 3])
      await Promise.all([disposal, detector.dispose()])
      await detector.dispose()
    })

    it('is not held up by a call that was aborted before', async () => {
      const detector = await load('delay=10000')
      const controller = new AbortController()
      const call = detector.detect(frame(1), { signal: controller.signal })
      controller.abort()
      await expect(call).rejects.toThrow(/aborted/)
      await detector.dispose()
    })
  })
})
