import { afterEach, describe, expect, it } from 'vitest'
import { type ProbeOptions, probeBackends } from '#lib/index.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

afterEach(() => {
  delete process.env.FAKE_BACKEND
})

describe('probeBackends', () => {
  it.skipIf(!hasNative)('tells of each backend whether it can run, the fastest first', async () => {
    const [gpu, cpu, ...others] = await probeBackends({ backendLibrary: FAKE_BACKEND })
    expect(others).toEqual([])
    expect(gpu).toMatchObject({
      name: 'tensorrt',
      usable: true,
      description: `fake backend 1.0; ${FAKE_BACKEND}`,
    })
    expect(gpu.details).toEqual([expect.stringMatching(/^GPU 0: Fake GPU, compute capability 8\.9/)])
    expect(cpu).toMatchObject({
      name: 'cpu',
      usable: true,
      description: expect.stringMatching(/^onnxruntime/),
    })
  })

  it.skipIf(!hasNative)('tells what is lacking, and where to look for it', async () => {
    process.env.FAKE_BACKEND = 'fail=attach'
    const [gpu] = await probeBackends({ backendLibrary: FAKE_BACKEND, libraryPath: '/nowhere' })
    expect(gpu).toMatchObject({
      usable: false,
      details: expect.arrayContaining([expect.stringContaining('there is no libfake.so.1 /nowhere')]),
      faults: ['no-library'],
    })
  })

  it('rejects with the reason of its signal', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const probing = probeBackends({ signal: controller.signal })
    controller.abort(reason)
    await expect(probing).rejects.toBe(reason)
    await expect(probeBackends({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('refuses options that it has not', async () => {
    await expect(probeBackends({ device: 0 } as ProbeOptions)).rejects.toThrow(
      refusal('ERR_INVALID_OPTION', /no option "device" in the probe options/),
    )
  })
})
