import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  findGpuHost,
  type GpuHost,
  isOldDriver,
  oldDriverText,
  remedyOn,
} from '#lib/backends/tensorrt/gpu-host.js'
import { temporaryFolder } from '../helpers/checkpoints.js'

async function host(files: Readonly<Record<string, string>>): Promise<GpuHost> {
  const root = await temporaryFolder()
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return findGpuHost(root)
}

const NVRM = 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 2025\nGCC version: 12\n'

describe('the host of a GPU', () => {
  it('is known by the driver in its kernel', async () => {
    expect(await host({ 'proc/driver/nvidia/version': NVRM })).toEqual({
      kind: 'driver',
      text: 'NVIDIA driver found (NVRM version: NVIDIA UNIX x86_64 Kernel Module 580.65.06 Sun Jul 27 2025)',
    })
  })

  it('is a Jetson by its board or its release, whichever driver it has', async () => {
    const board = { 'proc/device-tree/model': 'NVIDIA Jetson Orin Nano Developer Kit\0' }
    const release = { 'etc/nv_tegra_release': '# R36 (release), REVISION: 4.3, GCID: 38968081\n# KERNEL\n' }
    expect(await host({ ...board, ...release })).toEqual({
      kind: 'jetson',
      text: 'NVIDIA Jetson found (NVIDIA Jetson Orin Nano Developer Kit; # R36 (release), REVISION: 4.3, GCID: 38968081)',
    })
    // In a container, and with the driver that newer ones have.
    expect(await host({ ...board, 'proc/driver/nvidia/version': NVRM })).toMatchObject({ kind: 'jetson' })
    expect(await host(release)).toMatchObject({ kind: 'jetson' })
  })

  it('may be Windows', async () => {
    expect(await host({ 'usr/lib/wsl/lib/libcuda.so.1': '' })).toMatchObject({
      kind: 'driver',
      text: expect.stringContaining('/usr/lib/wsl/lib/libcuda.so.1'),
    })
  })

  it('is none elsewhere, on other boards too', async () => {
    const none = { kind: 'none', text: expect.stringMatching(/^no NVIDIA driver found \(looked for \/proc/) }
    expect(await host({})).toEqual(none)
    expect(await host({ 'proc/device-tree/model': 'Raspberry Pi 5 Model B Rev 1.0\0' })).toEqual(none)
  })
})

describe('a driver that is too old', () => {
  it('is one of an earlier major version of CUDA than ours', () => {
    const runs = (driverVersion: string, cudaVersion = '13.0') => !isOldDriver({ driverVersion, cudaVersion })
    expect([runs('12.6'), runs('9.0'), runs('13.0'), runs('14.1'), runs('13.0', '13.1')]).toEqual([
      false,
      false,
      true,
      true,
      true,
    ])
    // Nothing is known of one that is not there.
    expect([runs(''), runs('12.6', '')]).toEqual([true, true])
  })

  it('is told with its version, and which is needed', async () => {
    const old = await host({ 'proc/driver/nvidia/version': NVRM.replace('580.65.06', '535.183.01') })
    const text = oldDriverText(old, { driverVersion: '12.2', cudaVersion: '13.0' })
    expect(text).toMatch(
      /^NVIDIA driver found \(.* 535\.183\.01 .*\), which is too old: it runs CUDA 12\.2, .* CUDA 13\.0, for which driver 580 or newer is needed$/,
    )
  })
})

describe('what to do', () => {
  const on = (kind: GpuHost['kind'], ...args: [Parameters<typeof remedyOn>[1], ('run' | 'build')?]) =>
    remedyOn({ kind, text: '' }, args[0], args[1] ?? 'run')

  it('is to install what each machine needs', () => {
    expect(on('none', ['no-library'])).toMatch(
      /^with an NVIDIA GPU, install its driver \(580 or newer\) and TensorRT/,
    )
    expect(on('none', ['no-library'], 'build')).toMatch(/TensorRT-RTX alone builds engines/)
    expect(on('driver', ['no-library', 'no-library'])).toMatch(
      /^install TensorRT-RTX 1 for a GeForce.*--library-path/,
    )
    expect(on('driver', ['wrong-version'])).toMatch(/^install TensorRT-RTX 1/)
    expect(on('jetson', ['no-library'])).toMatch(
      /^install JetPack's TensorRT \(sudo apt install nvidia-jetpack\)/,
    )
  })

  it('is to let a container use the driver that its host has', () => {
    for (const kind of ['driver', 'jetson'] as const) {
      expect(on(kind, ['no-library', 'no-driver'])).toMatch(
        /^give the container access to the GPU .*--gpus all/,
      )
    }
  })

  it('is a newer driver, or a backend for the one that is there', () => {
    expect(on('jetson', ['no-library', 'old-driver'])).toMatch(/JetPack 7.*npm run build:native/)
  })
})
