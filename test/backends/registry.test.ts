import { afterEach, describe, expect, it, vi } from 'vitest'
import { loadAddon } from '#lib/backends/tensorrt/addon.js'
import { writeEngine } from '#lib/engines/engine-file.js'
import { EfficientDet } from '#lib/index.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { engineOf } from '../helpers/engines.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the choice of a backend', () => {
  it.skipIf(!hasNative)(
    'goes on to the next one where a GPU fails when it is used, and says why',
    async () => {
      await emptyCache()
      const error = Object.assign(new Error('Device 0 cannot be used.'), { code: 'ERR_BACKEND_UNAVAILABLE' })
      vi.spyOn(loadAddon(), 'loadEngine').mockRejectedValue(error)
      const options = { backendLibrary: FAKE_BACKEND, inputSize: 64, engine: { selfTest: false } }
      await using detector = await EfficientDet.load('person', options)
      expect(detector.backend).toMatchObject({
        name: 'cpu',
        unavailable: [
          {
            name: 'tensorrt',
            reason: 'The engine cannot be loaded: Device 0 cannot be used',
            remedy: expect.stringContaining("backend 'cpu'"),
            faults: [],
          },
        ],
      })
      await expect(EfficientDet.load('person', { ...options, backend: 'tensorrt' })).rejects.toThrow(
        refusal(
          'ERR_BACKEND_UNAVAILABLE',
          /tensorrt: The engine cannot be loaded: Device 0 cannot be used; remedy:/,
        ),
      )
    },
  )

  it('tries none that is not for the file: engines are for TensorRT alone', async () => {
    const path = await temporaryFile('', 'x.engine')
    await writeEngine(path, engineOf())
    const error = await EfficientDet.load(path, { backendLibrary: '/nowhere/x.so' }).catch((thrown) => thrown)
    expect(error).toEqual(
      refusal('ERR_BACKEND_UNAVAILABLE', /^No backend can run this model here\. tensorrt:/),
    )
    expect(error.details.unavailable).toHaveLength(1)
  })
})
