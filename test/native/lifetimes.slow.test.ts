import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { held } from '../helpers/builds.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'

/** Runs a program of test/native/programs in a process of its own; rejects if it ends by a signal or with a code. */
async function run(
  program: string,
  args: string[] = [],
  behaviour = 'delay=2000',
  flags: string[] = [],
  more = {},
) {
  const path = fileURLToPath(new URL(`programs/${program}`, import.meta.url))
  const env = { ...process.env, FAKE_BACKEND: behaviour, ...more }
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

  it('ends by itself though a backend hangs that was given up', async () => {
    const { stdout } = await run('given-up.mjs', [], 'hang=1')
    expect(stdout).toBe('ERR_ENGINE_LOST\ndisposed\n')
  })

  it.each([0, 1])('gets an error, or an engine, where the system starts %i more threads', async (threads) => {
    const preload = { LD_PRELOAD: join(dirname(FAKE_BACKEND), 'libefficientdet_few_threads.so') }
    const { stdout } = await run('few-threads.mjs', [String(threads)], 'contexts=3', [], preload)
    expect(stdout).toBe(
      threads === 0
        ? 'The system starts no more threads\nThe system starts no more threads\n'
        : '3 answers\nThe system starts no more threads\n',
    )
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
    const { behaviour } = await held('build')
    expect((await run('building.mjs', [], behaviour)).stdout).toBe('ended\n')
  })

  it('gets the threads of engines back that were forgotten', async () => {
    const { stdout } = await run('collect.mjs', [], '', ['--expose-gc'])
    const { before, most, after } = JSON.parse(stdout)
    expect(most).toBeGreaterThan(before)
    expect(after).toBeLessThanOrEqual(before)
  })
})
