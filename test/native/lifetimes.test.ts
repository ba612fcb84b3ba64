import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { hasNative } from '../helpers/native.js'

/** Runs a program of test/native/programs in a process of its own; rejects if it ends by a signal or with a code. */
async function run(program: string, args: string[] = [], behaviour = 'delay=2000', flags: string[] = []) {
  const path = fileURLToPath(new URL(`programs/${program}`, import.meta.url))
  const env = { ...process.env, FAKE_BACKEND: behaviour }
  return promisify(execFile)(process.execPath, [...flags, path, ...args], { env, timeout: 110_000 })
}

describe.skipIf(!hasNative)('the process', () => {
  it('ends with 0 by process.exit while calls are in flight', async () => {
    for (let i = 0; i < 10; i++) await run('exit.mjs', ['exit'], `delay=${1000 + 700 * i} batch=1`)
  })

  it('ends with 0 by itself when the calls are done, whatever was not disposed', async () => {
    for (let i = 0; i < 3; i++) await run('exit.mjs')
  })

  it('ends by process.exit though a backend hangs', async () => {
    await run('exit.mjs', ['exit'], 'hang=1')
  })

  it('survives 100 worker threads that are ended while their engines work', {
    timeout: 120_000,
  }, async () => {
    const { stdout } = await run('workers.mjs', ['100'])
    expect(stdout).toContain('100 workers ended')
  })

  it('ends a worker thread though its backend hangs', async () => {
    const { stdout } = await run('hang.mjs', [], 'hang=1')
    expect(stdout).toContain('ended')
  })

  it('ends worker threads that build without waiting for their engines', async () => {
    const { stdout } = await run('building.mjs', [], 'step=100000')
    expect(Number(stdout)).toBeLessThan(5000)
  })

  it('gets the threads of engines back that were forgotten', async () => {
    const { stdout } = await run('collect.mjs', [], '', ['--expose-gc'])
    const { before, most, after } = JSON.parse(stdout)
    expect(most).toBeGreaterThan(before)
    expect(after).toBeLessThanOrEqual(before)
  })
})
