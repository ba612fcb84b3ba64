import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadAddon } from '#lib/backends/tensorrt/addon.js'
import { tensorrt } from '#lib/backends/tensorrt/tensorrt.js'
import { addonPath } from '#lib/base/addon-file.js'
import { readEngine, writeEngine } from '#lib/engines/engine-file.js'
import type { Frame, LoadOptions } from '#lib/index.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON } from '../helpers/cli.js'
import {
  CUDA_ERROR_LAUNCH_FAILURE,
  CUDA_ERROR_MEMORY_ALLOCATION,
  EMULATED,
  emulation,
  engineThatKnows,
  frameOf,
  hasEmulated,
} from '../helpers/emulated.js'
import { expectSame, load, OPTIONS, onCpu } from '../helpers/emulated-detector.js'
import { refusal } from '../helpers/refusal.js'

describe.skipIf(!hasEmulated)('the TensorRT backend on an emulated device', () => {
  it('answers NaN for a picture that the network does not know, which is told', async () => {
    const [known, other] = await Promise.all([frameOf(PERSON, 'rgb', 160), frameOf(PERSON, 'rgb', 150)])
    await using detector = await load(await engineThatKnows([known], { side: 128, maxBatchSize: 8 }))
    const [first, second] = await detector.detectBatch([known, other], OPTIONS)
    expect(first).toMatchObject({ backend: 'tensorrt' })
    expect(second).toMatchObject({
      error: { code: 'ERR_INFERENCE', message: expect.stringContaining('NaN') },
    })
  })
})

describe.skipIf(!hasEmulated)('one device of two', () => {
  async function doctorLines(): Promise<readonly string[]> {
    const { backendLibrary, libraryPath } = EMULATED
    const { details } = await tensorrt.probe({ backendLibrary, libraryPath })
    return details
  }

  const SOUND = 'CUDA emulation, compute capability 8.9, 8.6 GB'

  beforeEach(() => {
    emulation().setDeviceCount(2)
  })
  afterEach(() => {
    emulation().failCall(0, 0)
    emulation().revive()
    emulation().setDeviceCount(1)
  })

  it('that is lost takes no engine until the process ends, and the other goes on', async () => {
    const device = emulation()
    const frame = await frameOf(PERSON, 'nv12', 64)
    const [reference] = await onCpu([frame], 64)
    const path = await engineThatKnows([frame], { side: 64, maxBatchSize: 1 })
    await using hurt = await load(path, { device: 0 })
    await using other = await load(path, { device: 1 })

    device.failCall(8, CUDA_ERROR_LAUNCH_FAILURE)
    const lost = refusal('ERR_DEVICE_LOST', /Restart the process; engines on other devices go on/)
    await expect(hurt.detect(frame, OPTIONS)).rejects.toThrow(lost)
    await expect(hurt.detect(frame, OPTIONS)).rejects.toThrow(lost)
    await expect(load(path, { device: 0 })).rejects.toThrow(lost)
    expectSame(await other.detect(frame, OPTIONS), reference)
    await (await load(path, { device: 1 })).dispose()
  })

  it('that cannot be asked at all is told so by its number', async () => {
    const device = emulation()
    const path = await engineThatKnows([await frameOf(PERSON, 'rgb', 64)], { side: 64, maxBatchSize: 1 })
    // How many there are, then what the first is.
    device.failCall(2, CUDA_ERROR_MEMORY_ALLOCATION)
    expect(await doctorLines()).toEqual([
      'GPU 0: does not answer; see what nvidia-smi says',
      `GPU 1: ${SOUND}`,
    ])
    device.failCall(2, CUDA_ERROR_MEMORY_ALLOCATION)
    await expect(load(path)).rejects.toThrow(refusal('ERR_BACKEND_UNAVAILABLE', /GPU 0 does not answer/))
    device.failCall(2, CUDA_ERROR_MEMORY_ALLOCATION)
    await (await load(path, { device: 1 })).dispose()
  })
})

describe.skipIf(!hasEmulated)('a device', () => {
  const device = hasEmulated ? emulation() : null!
  let frame: Frame
  let path: string
  beforeEach(async () => {
    frame = await frameOf(PERSON, 'rgb', 64)
    path = await engineThatKnows([frame], { side: 64, maxBatchSize: 4 })
  })
  afterEach(() => {
    device.setDeviceCount(1)
    device.setComputeCapability(89)
    device.setMemory(2 ** 33)
  })

  it('that nobody asked for has no context of this process', async () => {
    device.setDeviceCount(3)
    device.forgetContexts()
    const { backendLibrary, libraryPath } = EMULATED
    expect((await tensorrt.probe({ backendLibrary, libraryPath })).details).toHaveLength(3)
    expect([0, 1, 2].map(device.hasContext)).toEqual([false, false, false])
    const detector = await load(path, { device: 1 })
    await detector.detect(frame, OPTIONS)
    await detector.dispose()
    expect([0, 1, 2].map(device.hasContext)).toEqual([false, true, false])
  })

  it('runs each batch size as a graph from the first call on, which the detector tells', async () => {
    const detector = await load(path)
    const { gpus } = detector.backend
    expect(gpus[0].graphs).toEqual([1, 2, 4].map((batchSize) => ({ batchSize, contexts: 2 })))
    // More memory for detections moves it, and the first batch there runs without its graph.
    await detector.detect(frame, { ...OPTIONS, maxDetections: 1000 })
    const [grown] = detector.backend.gpus
    expect(grown.graphs).toEqual([1, 2, 4].map((batchSize) => ({ batchSize, contexts: 1 })))
    expect(grown.deviceBytes).toBeGreaterThan(gpus[0].deviceBytes)
    await detector.dispose()
    expect(detector.backend.gpus).toEqual([grown])
  })

  it('for which the kernels were not compiled is told when an engine is loaded', async () => {
    // As if built on another device of the same kind.
    const { header, plan } = await readEngine(path)
    const target = { ...header.target, computeCapabilities: [70] }
    const older = join(await temporaryFolder(), 'older.engine')
    await writeEngine(older, { header: { ...header, target }, plan })
    device.setComputeCapability(70)
    await expect(load(older)).rejects.toThrow(
      refusal(
        'ERR_BACKEND_UNAVAILABLE',
        /no kernels for device 0, CUDA emulation of compute capability 7\.0/,
      ),
    )
  })

  it('with too little memory for an engine is told before it is loaded; with little it has fewer contexts', async () => {
    const contexts = async (options: LoadOptions = {}) => {
      await using detector = await load(path, options)
      return detector.backend.gpus[0].contexts
    }
    const loadEngine = vi.spyOn(loadAddon(), 'loadEngine')
    device.setMemory(160e6)
    await expect(contexts()).rejects.toThrow(
      refusal(
        'ERR_OUT_OF_MEMORY',
        /^This engine needs about \d+ MB on CUDA emulation, and 160 MB are free\./,
      ),
    )
    expect(loadEngine).not.toHaveBeenCalled()
    expect(await contexts({ engine: { ...EMULATED.engine, checkMemory: false } })).toBe(2)
    device.setMemory(200e6)
    expect(await contexts()).toBe(1)
    device.setMemory(250e6)
    expect(await contexts()).toBe(2)
    expect(await contexts({ contexts: 8 })).toBeLessThan(8)
  })
})

describe.skipIf(!hasEmulated)('a driver', () => {
  it.each([
    [
      12060,
      'old-driver',
      /The NVIDIA driver is too old: it runs CUDA 12\.6, and this backend needs CUDA 13\.0/,
    ],
    [0, 'no-driver', /There is no NVIDIA driver/],
  ])('for CUDA %i is told as the fault %s', async (version, fault, message) => {
    const path = await engineThatKnows([await frameOf(PERSON, 'rgb', 64)], { side: 64, maxBatchSize: 1 })
    emulation().setDriverVersion(version)
    try {
      const error = await load(path).catch((thrown) => thrown)
      expect(error).toEqual(refusal('ERR_BACKEND_UNAVAILABLE', message))
      expect(error.details.unavailable).toMatchObject([{ name: 'tensorrt', faults: [fault] }])
    } finally {
      emulation().setDriverVersion(13000)
    }
    await (await load(path)).dispose()
  })

  it.each([
    [
      '13010',
      [
        '✓ backend tensorrt',
        'CUDA 13.0, driver for CUDA 13.1',
        // By the driver's management library.
        'GPU 0: CUDA emulation, compute capability 8.9, 8.6 GB, 8.6 GB free',
      ],
    ],
    [
      '12060',
      [
        /✗ backend tensorrt +NVIDIA driver found, which is too old: it runs CUDA 12\.6, .* CUDA 13\.0, for which driver 580/,
        'too old: it runs CUDA 12.6, and this backend needs CUDA 13.0',
      ],
    ],
  ])('for CUDA %s is told by doctor', async (version, texts) => {
    // As on a machine that has TensorRT 10: the backend beside the addon, its libraries where the system looks.
    const folder = await temporaryFolder()
    const release = join(folder, 'build', 'Release')
    await mkdir(release, { recursive: true })
    await symlink(addonPath(), join(release, 'efficientdet_trt.node'))
    await symlink(EMULATED.backendLibrary, join(release, 'libefficientdet_trt10.so'))
    const { stdout } = await efficientdet(['doctor'], {
      env: {
        EFFICIENTDET_TRT_PREBUILD: folder,
        LD_LIBRARY_PATH: EMULATED.libraryPath,
        EMULATED_DRIVER: version,
      },
    })
    for (const text of texts) expect(stdout).toMatch(text)
  })
})
