import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ROOT } from '../helpers/cli.js'

/** Work that does not end when it is cancelled. */
const STUBBORN = `
const { interruptible } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist/cli/interrupt.js')).href)})
await interruptible((signal) => {
  signal.addEventListener('abort', () => console.log(signal.reason.exitCode))
  console.log('begun')
  return new Promise(() => setInterval(() => {}, 1000))
})`

describe('a second signal', () => {
  it.each([
    ['SIGINT', 'SIGINT', 130],
    ['SIGINT', 'SIGTERM', 130],
    ['SIGTERM', 'SIGINT', 143],
    ['SIGTERM', 'SIGTERM', 143],
  ] as const)('after %s, %s, ends the process at once', async (first, second, exitCode) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', STUBBORN])
    onTestFinished(() => void child.kill('SIGKILL'))
    const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
    const said = () => new Promise<Buffer>((resolve) => child.stdout.once('data', resolve))
    await said()
    child.kill(first)
    expect(Number(await said())).toBe(exitCode)
    child.kill(second)
    expect(await exited).toEqual({ code: null, signal: second })
  })
})
