import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeEngine } from '#lib/engines/engine-file.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON } from '../helpers/cli.js'
import { engineOf, HEADER } from '../helpers/engines.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'

async function engineFile(header = HEADER): Promise<string> {
  const path = join(await temporaryFolder(), 'x.engine')
  await writeEngine(path, engineOf(header))
  return path
}

/** As the fake backend would build it. */
const FAKE_HEADER = {
  ...HEADER,
  target: {
    ...HEADER.target,
    family: 'fake',
    libraryVersion: '1.0',
    gpu: 'Fake GPU',
    platform: `${process.platform}-${process.arch}`,
  },
}

describe('inspect', () => {
  it('tells the header where the GPU is not, and why no more', async () => {
    const { code, stdout, stderr } = await efficientdet(['inspect', await engineFile()])
    expect(code).toBe(0)
    expect(stdout).toMatch(/model +EfficientDet-d0, 2 classes\n/)
    expect(stdout).toMatch(/input +384 high × 640 wide, batch up to 8\n/)
    expect(stdout).toMatch(/built by +tensorrt10 10\.15\.1, CUDA 13\.0, efficientdet-trt 0\.1\.0\n/)
    expect(stdout).toMatch(/built for +NVIDIA GeForce RTX 4090 8\.9, linux-x64\n/)
    expect(stdout).toMatch(/self-test +compared with the CPU backend's detections, which it has\n/)
    expect(stdout).toMatch(/note: The padding was assumed\./)
    expect(stdout).not.toMatch(/^ +layers/m)
    expect(stderr).toMatch(/No layers are shown: The tensorrt backend cannot run/)
  })

  it('tells that an engine has nothing to be compared with', async () => {
    const path = await engineFile({ ...HEADER, referenceDetections: null })
    const { stdout } = await efficientdet(['inspect', path])
    expect(stdout).toMatch(/self-test +compared with itself alone, for it has no reference detections\n/)
    const json = await efficientdet(['inspect', path, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ selfTest: 'itself' })
  })

  it.skipIf(!hasNative)('tells the precision of each layer where the GPU is', async () => {
    const path = await engineFile(FAKE_HEADER)
    const { code, stdout } = await efficientdet(['inspect', path, '--backend-library', FAKE_BACKEND])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ +layers +1 fp16\n/m)
    expect(stdout).toMatch(/^ +fp16 +conv_stem\n/m)
  })

  it.skipIf(!hasNative)('asks no runtime about an engine that does not fit', async () => {
    const path = await engineFile({
      ...FAKE_HEADER,
      target: { ...FAKE_HEADER.target, computeCapabilities: [75] },
    })
    const { code, stderr } = await efficientdet(['inspect', path, '--backend-library', FAKE_BACKEND])
    expect(code).toBe(0)
    expect(stderr).toMatch(/No layers are shown: .* compute capability 7\.5, but Fake GPU has 8\.9/)
  })

  it('says the same as JSON', async () => {
    const { stdout } = await efficientdet(['inspect', await engineFile(), '--json'])
    const { header, selfTest, planBytes, layers, reason } = JSON.parse(stdout)
    expect(header).toMatchObject({
      graph: HEADER.graph,
      spec: { architecture: { variant: 'd0' }, labels: ['chat', '犬'] },
    })
    expect([selfTest, planBytes, layers]).toEqual(['cpu', 3000, null])
    expect(header).not.toHaveProperty('referenceDetections')
    expect(reason).toMatch(/cannot run/)
  })

  it('refuses what is damaged or no engine', async () => {
    const path = await engineFile()
    const bytes = await readFile(path)
    bytes[bytes.length - 1] ^= 1
    await writeFile(path, bytes)
    for (const [file, message] of [
      [path, /has a plan that does not match its checksum/],
      [PERSON, /is no engine file/],
      ['nothing.engine', /cannot be read \(ENOENT/],
    ] as const) {
      const { code, stdout, stderr } = await efficientdet(['inspect', file])
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(message)
    }
  })
})
