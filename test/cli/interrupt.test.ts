import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { MAIN, PERSON, ROOT } from '../helpers/cli.js'
import { fileIsWritten } from '../helpers/folders.js'
import { CONTENT, emptyCache, mirror } from '../helpers/mirror.js'

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

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

/** Starts a command in a process group of its own, so that what it starts is found. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  return { child, exited, output: () => output }
}

/** Whether any process of a group is left. */
function isLeft(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

/** Has files never reach the disk: whoever writes one has not finished when the signal comes. */
const NEVER_SYNCED = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
    import { open } from 'node:fs/promises'
    const file = await open(process.execPath)
    Object.getPrototypeOf(file).sync = () => new Promise(() => setInterval(() => {}, 1000))
    await file.close()`)}`,
}

const WRITERS = [
  ['export', ['export', 'person'], 'x.onnx'],
  ['convert', ['convert', 'person'], 'x.safetensors'],
] as const

describe('a command that writes', () => {
  it.each(WRITERS)(
    '%s leaves nothing after Ctrl-C, SIGTERM or the end of its terminal',
    async (_, args, name) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        const folder = await temporaryFolder()
        const { child, exited, output } = start([...args, join(folder, name)], NEVER_SYNCED)
        await fileIsWritten(folder, /partial/)
        child.kill(signal)
        expect({ code: await exited, output: output() }).toEqual({ code: EXIT_CODES[signal], output: '' })
        expect(await readdir(folder)).toEqual([])
        expect(isLeft(child.pid!)).toBe(false)
      }
    },
  )

  it.each(WRITERS)('%s removes what a killed one left', async (_, args, name) => {
    const folder = await temporaryFolder()
    const killed = start([...args, join(folder, name)], NEVER_SYNCED)
    const partial = await fileIsWritten(folder, /partial/)
    killed.child.kill('SIGKILL')
    await killed.exited
    expect(await readdir(folder)).toEqual([partial])
    expect(await start([...args, join(folder, name)]).exited).toBe(0)
    expect(await readdir(folder)).toEqual([name])
  })
})

describe('pull', () => {
  it('ends with Ctrl-C, keeps what arrived, and continues it next time', async () => {
    const cache = await emptyCache()
    await mkdir(cache)
    const requests = new EventEmitter()
    const { url, ranges } = await mirror((_, response) => {
      requests.emit('request')
      response.writeHead(200, { 'Content-Length': CONTENT.length })
      response.write(CONTENT.subarray(0, 50_000))
    })
    const args = ['pull', 'd0', '--mirror', url]
    const { child, exited, output } = start(args, { EFFICIENTDET_CACHE: cache })
    const partial = await fileIsWritten(cache, /partial/)
    await expect
      .poll(async () => (await stat(join(cache, partial))).size, { timeout: 60_000 })
      .toBeGreaterThan(0)
    child.kill('SIGINT')
    expect({ code: await exited, output: output() }).toEqual({ code: 130, output: '' })
    expect(await readdir(cache)).toEqual([partial])
    const { size } = await stat(join(cache, partial))
    const next = start(args, { EFFICIENTDET_CACHE: cache })
    await once(requests, 'request')
    next.child.kill('SIGTERM')
    expect(await next.exited).toBe(143)
    expect(ranges).toEqual([null, `bytes=${size}-`])
  })
})

describe('a command that runs long', () => {
  it.each([
    ['detect', ['detect', PERSON, '--json', '--input-size', '1024']],
    ['bench', ['bench', '--runs', '1000000', '--warm-up', '0', '--input-size', '64']],
    ['demo', ['demo']],
  ])('%s leaves no process after Ctrl-C', async (_, args) => {
    const cwd = await temporaryFolder()
    const { child, exited } = start(args[0] === 'demo' ? [...args, '--out', cwd] : args)
    // What it tells of itself first comes before it detects; with --json that is nothing, and it may end before.
    await Promise.race([once(child.stderr, 'data'), once(child.stdout, 'data')])
    child.kill('SIGINT')
    expect([0, 130]).toContain(await exited)
    expect(isLeft(child.pid!)).toBe(false)
    expect((await readdir(cwd)).filter((name) => name.includes('partial'))).toEqual([])
  })
})
