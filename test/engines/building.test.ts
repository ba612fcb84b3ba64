import { copyFile, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { enginesFolder } from '#lib/engines/cache.js'
import { readEngine, writeEngine } from '#lib/engines/engine-file.js'
import type { EngineHeader } from '#lib/engines/header.js'
import { type BuildOptions, buildEngine, convertWeights, EfficientDet, type LoadOptions } from '#lib/index.js'
import { eventOf, held, kept } from '../helpers/builds.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { MAIN, ROOT, run } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

const WEIGHTS = join(ROOT, 'models', 'person', 'person.safetensors')
const FAKE = { backendLibrary: FAKE_BACKEND, inputSize: 64 }
const BUILD = ['build', 'person', '--backend-library', FAKE_BACKEND, '--input-size', '64', '--no-self-test']

const build = (model = 'person', options: BuildOptions & Pick<LoadOptions, 'signal'> = {}) =>
  buildEngine(model, { ...FAKE, ...options, engine: { selfTest: false, ...options.engine } })

/** The weights of `person` with one bias changed by a thousandth. */
async function withOtherBias(): Promise<Uint8Array> {
  const bytes = await readFile(WEIGHTS)
  const headerBytes = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes))
  const { dtype, data_offsets } = header['class_net.predict.conv_pw.bias']
  expect(dtype).toBe('F32')
  const at = 8 + headerBytes + data_offsets[0]
  bytes.writeFloatLE(bytes.readFloatLE(at) + 1e-3, at)
  return bytes
}

afterEach(() => {
  delete process.env.FAKE_BACKEND
})

describe.skipIf(!hasNative)('the key of a cached engine', () => {
  it('is of the content: a copy, a moved and a rewritten file find the engine', async () => {
    await emptyCache()
    const { cached, path } = await build()
    expect(cached).toBe(false)
    const folder = await temporaryFolder()
    await copyFile(WEIGHTS, join(folder, 'copy.safetensors'))
    await convertWeights('person', join(folder, 'rewritten.safetensors'))
    for (const name of ['copy.safetensors', 'rewritten.safetensors']) {
      expect(await build(join(folder, name))).toMatchObject({ cached: true, path })
    }
  })

  it('is another for one weight, at the same path and of the same time', async () => {
    await emptyCache()
    const path = await temporaryFile(await readFile(WEIGHTS), 'best.safetensors')
    // In float16 a thousandth may vanish, and then it is the same engine.
    const fp32 = { engine: { precision: 'fp32' } } as const
    await build(path, fp32)
    const { atime, mtime } = await stat(path)
    await writeFile(path, await withOtherBias())
    await utimes(path, atime, mtime)
    expect(await build(path, fp32)).toMatchObject({ cached: false })
  })

  it('is the same for loading as for building', async () => {
    await emptyCache()
    await build('person', { maxBatchSize: 4 })
    const heard: string[] = []
    const detector = await EfficientDet.load('person', {
      ...FAKE,
      backend: 'tensorrt',
      maxBatchSize: 4,
      engine: { selfTest: false },
      onProgress: ({ stage, fraction }) => heard.push(`${stage} ${fraction}`),
    })
    await detector.dispose()
    expect(heard).toEqual(['weights 0', 'graph 1', 'engine 0', 'engine 1'])
    expect(await readdir(enginesFolder())).toHaveLength(2)
  })
})

describe.skipIf(!hasNative)('builds of engines', () => {
  it('different builds in one process come one after the other', async () => {
    await emptyCache()
    const hold = await held('build')
    process.env.FAKE_BACKEND = hold.behaviour
    const order: string[] = []
    const building = (name: string, maxBatchSize: number) =>
      build('person', {
        maxBatchSize,
        onProgress({ phase }) {
          if (phase.startsWith('waiting')) hold.letGo()
          else order.push(name)
        },
      })
    await Promise.all([building('one', 1), building('two', 2)])
    // No step of the second before the last of the first.
    expect(order.lastIndexOf(order[0])).toBe(order.filter((name) => name === order[0]).length - 1)
  })

  it('a waiter may give up, and the builder goes on', async () => {
    await emptyCache()
    const hold = await held('build')
    process.env.FAKE_BACKEND = hold.behaviour
    const begun = eventOf<void>()
    const first = build('person', { onProgress: ({ fraction }) => fraction > 0 && begun.happened() })
    await begun.promise
    const controller = new AbortController()
    const second = build('person', {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(second).rejects.toThrow('enough')
    hold.letGo()
    expect(await first).toMatchObject({ cached: false })
  })

  it('a waiter takes over when the builder gives up', async () => {
    await emptyCache()
    process.env.FAKE_BACKEND = (await held('build')).behaviour
    const controller = new AbortController()
    const begun = eventOf<void>()
    const first = build('person', {
      signal: controller.signal,
      onProgress: ({ fraction }) => fraction > 0 && begun.happened(),
    })
    await begun.promise
    const fractions: number[] = []
    const waiting = eventOf<void>()
    const second = build('person', {
      onProgress({ fraction }) {
        fractions.push(fraction)
        waiting.happened()
      },
    })
    await waiting.promise
    process.env.FAKE_BACKEND = ''
    controller.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    expect(await second).toMatchObject({ cached: false })
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b))
    expect(fractions.at(-1)).toBe(1)
  })

  it('a build that fails or is cancelled leaves nothing', async () => {
    const cache = await emptyCache()
    process.env.FAKE_BACKEND = 'fail=build'
    await expect(build()).rejects.toThrow(refusal('ERR_ENGINE', /cannot be built: node \/backbone/))
    await expect(build()).rejects.toMatchObject({
      details: { log: expect.stringContaining('asked to build') },
    })
    process.env.FAKE_BACKEND = 'step=20000'
    const output = join(await temporaryFolder(), 'x.engine')
    const controller = new AbortController()
    const building = build('person', {
      output,
      signal: controller.signal,
      onProgress: ({ fraction }) => fraction > 0.1 && controller.abort(new Error('enough')),
    })
    await expect(building).rejects.toThrow('enough')
    expect(await kept(cache)).toEqual({ engines: [], others: [] })
    expect(await readdir(join(output, '..'))).toEqual([])
  })

  it('a full disk gives a typed error, and nothing is left', async ({ skip }) => {
    const folder = await temporaryFolder()
    // A file system of one megabyte, in a namespace of its own.
    const mounted = (command: string) =>
      run(
        'unshare',
        ['--mount', '--map-root-user', 'sh', '-c', `mount -t tmpfs -o size=1M none ${folder} && ${command}`],
        {
          env: { EFFICIENTDET_CACHE: join(folder, 'cache') },
        },
      )
    if ((await mounted('true')).code !== 0) skip('a small file system cannot be mounted here')
    const command = [process.execPath, MAIN, ...BUILD].map((word) => `'${word}'`).join(' ')
    const { code, stdout, stderr } = await mounted(`${command}; echo "code $?"; find ${folder} -type f`)
    expect(code).toBe(0)
    expect(stderr).toMatch(/cannot be written \(ENOSPC: no space left.*\[ERR_OUTPUT\]/)
    expect(stdout).toMatch(/^code 1$/m)
    expect(stdout).not.toMatch(/engine|partial/)
  })
})

describe.skipIf(!hasNative)('an engine file', () => {
  const load = (path: string, options: LoadOptions = {}) =>
    EfficientDet.load(path, { backendLibrary: FAKE_BACKEND, engine: { selfTest: false }, ...options })

  /** What is in one, built once for all tests. */
  let built: ReturnType<typeof readEngine> | undefined

  async function builtEngine(): ReturnType<typeof readEngine> {
    await emptyCache()
    const output = join(await temporaryFolder(), 'built.engine')
    await build('person', { output, labels: ['somebody'], maxBatchSize: 4 })
    return readEngine(output)
  }

  async function engineFile(change: (header: EngineHeader) => EngineHeader = (header) => header) {
    built ??= builtEngine()
    const output = join(await temporaryFolder(), 'person.engine')
    const { header, plan } = await built
    await writeEngine(output, { header: change(header), plan })
    return output
  }

  it('runs with nothing beside it', async () => {
    const path = await engineFile()
    const detector = await load(path)
    expect(detector.backend.name).toBe('tensorrt')
    expect(detector.model).toMatchObject({
      variant: 'lite0',
      classes: 1,
      labels: ['somebody'],
      inputSize: { height: 64, width: 64 },
    })
    const { detections } = await detector.detect({
      data: new Uint8Array(64).fill(255),
      format: 'grey',
      width: 8,
      height: 8,
    })
    expect(detections).toMatchObject([{ label: 'somebody', score: 1 }])
    await detector.dispose()
  })

  it('keeps labels of its own though the plan is another model’s', async () => {
    const path = await engineFile()
    await emptyCache()
    const other = join(path, '..', 'other.engine')
    await build('person', { labels: ['somebody'], maxBatchSize: 4 })
    expect(await build('person', { output: other, labels: ['anybody'], maxBatchSize: 4 })).toMatchObject({
      cached: true,
    })
    const detectors = [await load(path), await load(other)]
    expect(detectors.map(({ model }) => model.labels)).toEqual([['somebody'], ['anybody']])
    for (const detector of detectors) await detector.dispose()
  })

  it.each([
    [{ inputSize: 128 }, /inputSize cannot be changed/],
    [{ labels: ['a'] }, /labels cannot be changed/],
    [{ anchors: { anchorScale: 3 }, variant: 'lite0' }, /variant, anchors cannot be changed/],
    [{ device: 3 }, /device is 3; there are 1 here/],
  ] as const)('refuses what is fixed in it: %j', async (options, message) => {
    await expect(load(await engineFile(), options)).rejects.toThrow(refusal('ERR_INVALID_OPTION', message))
  })

  it('is nothing for the CPU', async () => {
    await expect(load(await engineFile(), { backend: 'cpu' })).rejects.toThrow(
      refusal('ERR_WEIGHTS', /is a TensorRT engine of this package/),
    )
  })

  it.each([
    ['family', { family: 'tensorrt-rtx' }, /built for tensorrt-rtx, but what runs here is fake/],
    ['version', { libraryVersion: '10.15.1' }, /TensorRT 10\.15\.1, but TensorRT 1\.0 is here/],
    ['capability', { computeCapabilities: [120] }, /capability 12\.0, but Fake GPU has 8\.9/],
  ])('of another %s is refused before the runtime sees it', async (_, target, message) => {
    const path = await engineFile((header) => ({ ...header, target: { ...header.target, ...target } }))
    // The runtime would refuse everything.
    process.env.FAKE_BACKEND = 'fail=load'
    await expect(load(path)).rejects.toThrow(refusal('ERR_ENGINE', message))
  })

  it('is built without a GPU for GPUs that are named, by a library that can', async () => {
    await emptyCache()
    process.env.FAKE_BACKEND = 'fail=probe'
    const { header } = await build('person', { targets: ['sm89', 'sm120'] })
    expect(header.target).toMatchObject({ gpu: null, computeCapabilities: [89, 120] })
  })

  it('without a GPU says so', async () => {
    const path = await engineFile()
    process.env.FAKE_BACKEND = 'fail=probe'
    await expect(load(path)).rejects.toThrow(
      refusal('ERR_BACKEND_UNAVAILABLE', /no fake GPU was found.*load the weights/),
    )
  })
})

describe.skipIf(!hasNative)('a build that needs much memory', () => {
  it('is refused with both numbers, and the next build works', async () => {
    await emptyCache()
    // The fake GPU has six gibibytes free.
    const large = { inputSize: 1536, maxBatchSize: 64, engine: { precision: 'fp32' } } as const
    await expect(build('person', large)).rejects.toThrow(
      refusal(
        'ERR_OUT_OF_MEMORY',
        /needs about \d+ MB on Fake GPU, and 6443 MB are free.*smaller maximal batch/,
      ),
    )
    expect(
      await build('person', { ...large, engine: { ...large.engine, checkMemory: false } }),
    ).toMatchObject({ cached: false })
    expect(await build()).toMatchObject({ cached: false })
  })

  it('is warned of where it is tight, and a level that needs less is offered where it is short', async () => {
    await emptyCache()
    const { notes } = await build('person', {
      inputSize: 1024,
      maxBatchSize: 20,
      engine: { precision: 'fp32' },
    })
    expect(notes.at(-1)).toMatch(/and 6443 MB are free: that is tight/)
    await expect(
      build('person', { inputSize: 1024, maxBatchSize: 24, engine: { precision: 'fp32' } }),
    ).rejects.toThrow(refusal('ERR_OUT_OF_MEMORY', /With optimisation level 1 it needs \d+ MB and fits/))
  })
})
