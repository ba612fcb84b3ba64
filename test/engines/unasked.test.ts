import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { loadAddon } from '#lib/backends/tensorrt/addon.js'
import { checkHostCode } from '#lib/engines/compatibility.js'
import { isEnginePath, readEngine, writeEngine } from '#lib/engines/engine-file.js'
import { buildEngine, EfficientDet, type LoadOptions } from '#lib/index.js'
import { checkBuildOptions } from '#lib/options/build.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { engineOf, HEADER } from '../helpers/engines.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('an engine that nobody asked for', () => {
  it.each(['weights.pth', 'model.safetensors', 'engine', 'x.engine.pth', 'x.pt'])(
    'is refused under the name %s, whatever backend is to take it',
    async (name) => {
      const path = join(await temporaryFolder(), name)
      await writeEngine(path, engineOf())
      for (const backend of ['auto', 'tensorrt'] as const) {
        await expect(EfficientDet.load(path, { backend })).rejects.toMatchObject({
          code: 'ERR_ENGINE',
          message: expect.stringMatching(/is an engine, .* under the name of something else/),
          details: { fault: 'unasked' },
        })
      }
      await expect(EfficientDet.load(path, { backend: 'cpu' })).rejects.toThrow(
        refusal('ERR_WEIGHTS', /is a TensorRT engine of this package/),
      )
    },
  )

  it.each(['x.engine', 'X.ENGINE', '/a.pth/b.Engine'])('is asked for by the name %s', (path) => {
    expect(isEnginePath(path)).toBe(true)
  })

  it('cannot be built under another name', () => {
    expect(() => checkBuildOptions({ output: 'weights.pth' })).toThrow(
      refusal('ERR_INVALID_OPTION', /output is "weights.pth"; expected a path that ends with .engine/),
    )
  })
})

describe("an engine's code for the host", () => {
  const compatible = { ...HEADER, settings: { ...HEADER.settings, versionCompatible: true } }

  it('is allowed by an option alone', () => {
    expect(() => checkHostCode('x.engine', compatible, { allowHostCode: false })).toThrow(
      refusal('ERR_ENGINE', /x.engine is version-compatible: .*allowHostCode: true/),
    )
    checkHostCode('x.engine', compatible, { allowHostCode: true })
    checkHostCode('x.engine', HEADER, { allowHostCode: false })
  })

  it.skipIf(!hasNative)(
    'reaches the backend from no plan but version-compatible ones that are allowed it',
    async () => {
      await emptyCache()
      const folder = await temporaryFolder()
      const plain = join(folder, 'plain.engine')
      await buildEngine('person', {
        output: plain,
        inputSize: 64,
        backendLibrary: FAKE_BACKEND,
        engine: { selfTest: false },
      })
      const { header, plan } = await readEngine(plain)
      const brings = join(folder, 'brings.engine')
      await writeEngine(brings, {
        header: { ...header, settings: { ...header.settings, versionCompatible: true } },
        plan,
      })
      await copyFile(brings, join(folder, 'brings.pth'))
      const loadEngine = vi.spyOn(loadAddon(), 'loadEngine')
      const load = async (path: string, engine: LoadOptions['engine']) => {
        const options = {
          backend: 'tensorrt',
          backendLibrary: FAKE_BACKEND,
          engine: { selfTest: false, ...engine },
        } as const
        await (await EfficientDet.load(path, options)).dispose()
        return loadEngine.mock.lastCall?.[3].allowHostCode
      }
      const refused = refusal('ERR_ENGINE', /brings a TensorRT runtime of its own/)
      await expect(load(brings, {})).rejects.toThrow(refused)
      await expect(load('person', { versionCompatible: true })).rejects.toThrow(refused)
      await expect(load(join(folder, 'brings.pth'), { allowHostCode: true })).rejects.toThrow(
        refusal('ERR_ENGINE', /under the name of something else/),
      )
      expect(loadEngine).not.toHaveBeenCalled()
      expect(await load(brings, { allowHostCode: true })).toBe(true)
      // Whoever forges a header to say that there is none gets none.
      expect(await load(plain, { allowHostCode: true })).toBe(false)
      expect(await load(plain, {})).toBe(false)
    },
  )
})
