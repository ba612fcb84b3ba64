import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON } from '../helpers/cli.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { hasRtx, RTX } from '../helpers/rtx.js'

interface Diagnosis {
  readonly usable: boolean
  readonly findings: readonly {
    name: string
    good: boolean
    text: string
    details?: string[]
    remedy?: string
  }[]
}

describe('doctor', () => {
  it('says what runs here and how to mend the rest', async () => {
    const cache = join(await temporaryFolder(), 'cache')
    const { code, stdout } = await efficientdet(['doctor'], { env: { EFFICIENTDET_CACHE: cache } })
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^✓ Node +${process.versions.node}$`, 'm'))
    expect(stdout).toMatch(/^✓ decoder +sharp \d+\.\d+\.\d+, libvips \d+\.\d+\.\d+$/m)
    expect(stdout).toMatch(/^✓ backend cpu +onnxruntime \d+\.\d+\.\d+$/m)
    expect(stdout).toMatch(/^✗ backend tensorrt .*(\n {20}\S.*)*\n {20}→ \S+/m)
    expect(stdout).toContain(`model cache       ${cache}`)
    expect(stdout).toMatch(/Detection runs here\.\n$/)
  })

  it('says the same as JSON', async () => {
    const cache = join(await temporaryFolder(), 'cache')
    const { code, stdout } = await efficientdet(['doctor', '--json'], { env: { EFFICIENTDET_CACHE: cache } })
    expect(code).toBe(0)
    const { usable, findings }: Diagnosis = JSON.parse(stdout)
    expect(usable).toBe(true)
    expect(findings.map(({ name }) => name)).toEqual([
      'efficientdet-trt',
      'Node',
      'system',
      'processors',
      'decoder',
      'ffmpeg',
      'model cache',
      'native addon',
      'backend tensorrt',
      'backend cpu',
    ])
    for (const { name, good, text, remedy } of findings) {
      expect({ name, text }).toEqual({ name, text: expect.stringMatching(/\S/) })
      if (!good) expect(remedy).toMatch(/\S/)
    }
  })

  it('names a cache folder that cannot be written, which detection does not need', async () => {
    const cache = join(PERSON, 'cache')
    const { code, stdout } = await efficientdet(['doctor'], { env: { EFFICIENTDET_CACHE: cache } })
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /✗ model cache .*person\.jpg\/cache cannot be written \(ENOTDIR\)\n +→ set EFFICIENTDET_CACHE/,
    )
  })

  it.skipIf(!hasNative)('looks for libraries in the folder that it is told', async () => {
    const { stdout } = await efficientdet(
      ['doctor', '--backend-library', FAKE_BACKEND, '--library-path', '/opt/tensorrt/lib', '--json'],
      { env: { FAKE_BACKEND: 'fail=attach' } },
    )
    const { findings }: Diagnosis = JSON.parse(stdout)
    expect(findings.find(({ name }) => name === 'backend tensorrt')).toMatchObject({
      good: false,
      details: expect.arrayContaining([expect.stringContaining('libfake.so.1 /opt/tensorrt/lib')]),
    })
  })

  it.skipIf(!hasNative)('tells of each GPU and its memory', async () => {
    const { code, stdout } = await efficientdet(['doctor', '--backend-library', FAKE_BACKEND], {
      env: { FAKE_BACKEND: 'devices=2' },
    })
    expect(code).toBe(0)
    const gpu = 'Fake GPU, compute capability 8\\.9, 8\\.6 GB, 6\\.4 GB free'
    expect(stdout).toMatch(
      new RegExp(
        `^✓ backend tensorrt  fake backend 1\\.0; ${FAKE_BACKEND}\n +GPU 0: ${gpu}\n +GPU 1: ${gpu}$`,
        'm',
      ),
    )
  })

  it.skipIf(!hasRtx)(
    'tells of a TensorRT that builds engines where there is nothing to run them on',
    async () => {
      const { stdout } = await efficientdet(['doctor', '--library-path', RTX.libraryPath])
      expect(stdout).toMatch(
        /^ {20}TensorRT-RTX 1 \(1\.\d+\.\d+\), CUDA [\d.]+, no driver: builds engines here, but runs none\. There is no NVIDIA driver|✓ backend tensorrt {2}TensorRT-RTX/m,
      )
    },
  )
})
