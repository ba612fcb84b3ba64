import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, run } from '../helpers/cli.js'
import { hasNative } from '../helpers/native.js'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0

if (!hasRedis) console.warn('Tests of queues are skipped: redis-server is not installed.')

describe.runIf(hasRedis && hasNative)('a run through a queue', () => {
  it('comes to the same bytes though workers, the process that queues and Redis are killed 30 times', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [
      join(ROOT, 'bench', 'batch-kills.mjs'),
      '30',
      '2',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/each as an undisturbed run, byte for byte/)
  })

  it('says that Redis does not answer', async () => {
    const main = join(ROOT, 'dist', 'cli', 'main.js')
    const { code, stderr } = await run(process.execPath, [
      main,
      'worker',
      '--queue',
      'redis://u:secret@127.0.0.1:1',
    ])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^error: redis:\/\/127\.0\.0\.1:1 does not answer.*\[ERR_RUN\]\n$/),
    })
  })
})
