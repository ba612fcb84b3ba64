import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
// @ts-expect-error: it is JavaScript
import { nvcc } from '../../tools/nvcc.mjs'
import { ROOT, run } from '../helpers/cli.js'
import { hasEmulated } from '../helpers/emulated.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

if (nvcc === undefined) console.warn('The GPU kit is not packed: there is no nvcc (npm run setup:cuda).')

const MINUTE = 60_000

interface Step {
  readonly step: string
  readonly state: 'passed' | 'failed' | 'timed out' | 'skipped'
  readonly message?: string
  readonly results: readonly Readonly<Record<string, unknown>>[]
}

describe.skipIf(nvcc === undefined || !hasEmulated)('the GPU kit', () => {
  it('is packed below 60 MB, and runs from there with a CPU in place of the GPU', {
    timeout: 30 * MINUTE,
  }, async () => {
    const kit = join(await temporaryFolder(), 'kit')
    const packed = await run(process.execPath, [join(ROOT, 'gpu', 'pack.mjs'), kit], { timeout: 20 * MINUTE })
    expect(packed, packed.stderr).toMatchObject({ code: 0 })
    const sizes = await Promise.all(
      (await readdir(kit)).map(async (name) => (await stat(join(kit, name))).size),
    )
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(60e6)

    const out = await temporaryFolder()
    const dry = await run(join(kit, 'run.sh'), ['--dry-run', '--out', out], {
      cwd: out,
      timeout: 10 * MINUTE,
    })
    expect(dry).toMatchObject({ code: 0 })
    expect(dry.stdout).toContain('| decode + NMS')
    const [file] = await readdir(out)
    const { steps }: { readonly steps: readonly Step[] } = JSON.parse(await readFile(join(out, file), 'utf8'))
    const named = (state: Step['state']) =>
      steps.filter((step) => step.state === state).map(({ step }) => step)
    expect(named('passed')).toEqual(
      expect.arrayContaining(['replay', 'times', 'callers', 'captures', 'soak']),
    )
    expect([...named('passed'), ...named('skipped')]).toHaveLength(steps.length)
    for (const { state, message } of steps) {
      if (state === 'skipped') expect(message).toMatch(/only a real device|no compute-sanitizer|no torch/)
    }
    const replay = steps.find(({ step }) => step === 'replay')!.results.at(-1)!
    expect(replay.requests).toBeGreaterThan(20)
    expect(replay.equal).toBe(replay.requests)
  })
})
