import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readEngine } from '#lib/engines/engine-file.js'
import { type BuildOptions, buildEngine, EfficientDet, type VariantName } from '#lib/index.js'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { type ModelSpec, officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { toMetadata } from '#lib/weights/metadata.js'
import { writeSafetensors } from '#lib/weights/safetensors/writer.js'
import { kept } from '../helpers/builds.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'
import { randomWeights } from '../helpers/networks.js'
import { random } from '../helpers/random.js'
import { refusal } from '../helpers/refusal.js'
import { hasRtx, RTX } from '../helpers/rtx.js'
import { hasShared, shared } from '../helpers/shared.js'

const D0 = shared('data/golden-d0/zylo-d0.pth')
const build = (model: string, options: BuildOptions & { signal?: AbortSignal } = {}) =>
  buildEngine(model, {
    ...RTX,
    maxBatchSize: 1,
    ...options,
    engine: { selfTest: false, ...options.engine },
  })

describe.skipIf(!hasRtx)("with TensorRT-RTX's own builder", () => {
  it('person is built, found again, and told of', async () => {
    const cache = await emptyCache()
    const fractions: number[] = []
    const onProgress: BuildOptions['onProgress'] = ({ fraction }) => fractions.push(fraction)
    const built = await build('person', { engine: { selfTest: true }, onProgress })
    expect(built).toMatchObject({ cached: false, header: { target: { family: 'tensorrt-rtx', gpu: null } } })
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b))
    expect(fractions.at(-1)).toBe(1)
    expect(await build('person')).toMatchObject({ cached: true, path: built.path })
    const { plan } = await readEngine(built.path)
    expect(plan.length).toBe(built.bytes)
    expect(await kept(cache)).toMatchObject({ others: [] })
    const { code, stdout } = await efficientdet(['inspect', built.path])
    expect(code).toBe(0)
    expect(stdout).toMatch(/built for +compute capability 8\.9, linux-/)
    expect(stdout).toMatch(/self-test +compared with the CPU backend's detections/)
  }, 240_000)

  it('half precision has about half the bytes of weights', async () => {
    await emptyCache()
    const [half, full, brain] = [
      await build('person', { engine: { precision: 'fp16' } }),
      await build('person', { engine: { precision: 'fp32' } }),
      await build('person', { engine: { precision: 'bf16' } }),
    ]
    // person has 3.2 million weights; the rest of a plan are kernels.
    const saved = 2 * 3.2e6
    expect(full.bytes - half.bytes).toBeGreaterThan(0.8 * saved)
    expect(full.bytes - brain.bytes).toBeGreaterThan(0.8 * saved)
  }, 600_000)

  it.skipIf(!hasShared)(
    'D0 is built by the command, for two kinds of GPU',
    async () => {
      const output = join(await temporaryFolder(), 'd0.engine')
      const { code, stdout, stderr } = await efficientdet(
        [
          'build',
          D0,
          '--out',
          output,
          '--max-batch-size',
          '2',
          '--targets',
          'sm89,sm120',
          '--no-self-test',
        ].concat(['--backend-library', RTX.backendLibrary, '--library-path', RTX.libraryPath]),
        { env: { EFFICIENTDET_CACHE: await temporaryFolder() } },
      )
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('error') })
      expect(stdout).toMatch(/d0\.engine: EfficientDet-d0, 512 high .* compute capability 8\.9 and 12\.0/)
    },
    240_000,
  )

  it.skipIf(!hasShared)(
    'person and D0 at once come one after the other, and hold up neither events nor sharp',
    async () => {
      await emptyCache()
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      let isBuilding = true
      const builds = Promise.all([build('person', { maxBatchSize: 2 }), build(D0)]).finally(() => {
        isBuilding = false
      })
      let pictures = 0
      for (; isBuilding && pictures < 20; pictures++) await sharp(PERSON).resize(512).raw().toBuffer()
      expect(pictures).toBe(20)
      expect((await builds).map(({ cached }) => cached)).toEqual([false, false])
      delay.disable()
      console.log(`event-loop delay while building: p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`)
    },
    240_000,
  )

  it.skipIf(!hasShared)(
    'a build of D0 that is cancelled ends within a second and leaves nothing',
    async () => {
      const cache = await emptyCache()
      const rng = random(40)
      for (let i = 0; i < 5; i++) {
        const controller = new AbortController()
        const moment = 0.8 * rng.float()
        let aborted = 0
        const building = build(D0, {
          signal: controller.signal,
          // At some point of the build, however fast the machine is.
          onProgress: ({ fraction }) => {
            if (aborted > 0 || fraction < moment) return
            aborted = performance.now()
            controller.abort(new Error('enough'))
          },
        })
        await expect(building).rejects.toThrow('enough')
        // A second, and what other programs take of this machine meanwhile.
        expect(performance.now() - aborted).toBeLessThan(3000)
      }
      expect(await kept(cache)).toEqual({ engines: [], others: [] })
    },
    240_000,
  )

  it('its engine is nothing without a GPU, and says so', async () => {
    const cache = await emptyCache()
    const { path } = await build('person')
    const { targets: _, ...libraries } = RTX
    await expect(EfficientDet.load(path, libraries)).rejects.toThrow(
      refusal('ERR_BACKEND_UNAVAILABLE', /driver/),
    )
    expect((await kept(cache)).engines).toHaveLength(1)
  }, 240_000)

  it('needs to be told what to build for where no GPU is', async () => {
    await emptyCache()
    const { targets: _, ...libraries } = RTX
    await expect(buildEngine('person', libraries)).rejects.toThrow(
      refusal('ERR_INVALID_OPTION', /There is no GPU here to build an engine for.*--targets sm89/),
    )
  })

  it.each([
    [{ engine: { versionCompatible: true } }, /has no engines that run with other versions/],
    [{ engine: { hardwareCompatible: true } }, /name compute capabilities as targets/],
    [{ targets: ['sm87'] }, /8\.7|87/],
  ] as const)('refuses what TensorRT-RTX does not have: %j', async (options, message) => {
    await emptyCache()
    await expect(build('person', options)).rejects.toThrow(refusal('ERR_ENGINE', message))
  })

  it('with too little scratch memory says how much it was and what is moved, and the next build works', async () => {
    await emptyCache()
    const path = await randomModel('d7x')
    await expect(build(path, { engine: { workspace: 16 } })).rejects.toThrow(
      refusal('ERR_OUT_OF_MEMORY', /workspace was limited to 16 MB, and the largest layer moves 284 MB/),
    )
    await expect(build('person', { engine: { workspace: 1 } })).rejects.toThrow(
      refusal('ERR_ENGINE', /workspace was limited to 1 MB, and the largest layer moves 7 MB/),
    )
    expect(await build('person')).toMatchObject({ cached: false })
  }, 240_000)
})

/** A weights file of ours for a size, with random weights. */
async function randomModel(name: VariantName): Promise<string> {
  const chosen = variant(name)
  const architecture = officialArchitecture(chosen)
  const values = randomWeights(architecture)
  const tensors = [...inventory(architecture, nativeInput(chosen)).tensors].map(
    ([name, shape]) => ({ name, shape, dtype: 'float32', data: values.get(name)! }) as const,
  )
  const spec: ModelSpec = {
    architecture,
    preprocessing: preprocessingOf('effdet', 'imagenet'),
    anchors: { anchorScale: chosen.anchorScale, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS },
    labels: null,
  }
  const path = join(await temporaryFolder(), `${name}.safetensors`)
  await writeSafetensors(path, tensors, toMetadata(spec, 'effdet', 'random'))
  return path
}
