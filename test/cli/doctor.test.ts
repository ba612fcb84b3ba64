import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON } from '../helpers/cli.js'

interface Diagnosis {
  readonly usable: boolean
  readonly findings: readonly { name: string; good: boolean; text: string; remedy?: string }[]
}

describe('doctor', () => {
  it('says what runs here and how to mend the rest', async () => {
    const cache = join(await temporaryFolder(), 'cache')
    const { code, stdout } = await efficientdet(['doctor'], { env: { EFFICIENTDET_CACHE: cache } })
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^✓ Node +${process.versions.node}$`, 'm'))
    expect(stdout).toMatch(/^✓ decoder +sharp \d+\.\d+\.\d+, libvips \d+\.\d+\.\d+$/m)
    expect(stdout).toMatch(/^✓ backend cpu +onnxruntime \d+\.\d+\.\d+$/m)
    expect(stdout).toMatch(/^✗ backend tensorrt .*\n +→ \S+/m)
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
      'decoder',
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
})
