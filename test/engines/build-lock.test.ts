import { spawn } from 'node:child_process'
import { access, chmod, chown, mkdir, readdir, stat, symlink } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type KeyedProgress, lockBuilds, queueOf } from '#lib/engines/build-lock.js'
import { lockFolder } from '#lib/engines/lock-folder.js'
import { entriesOf } from '#lib/engines/lock-ticket.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { ROOT } from '../helpers/cli.js'

const nobody = () => {}

/** Takes the lock of a folder and keeps it, in a program of its own. */
const holder = (folder: string) => `
const { lockBuilds } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist/engines/build-lock.js')).href)})
const lock = await lockBuilds(${JSON.stringify(folder)}, undefined, () => {})
lock.emit({ key: 'theirs', fraction: 0.25, phase: 'building' })
`

/** Somebody with the first place in the queue, who does not keep to what is agreed. */
async function stranger(folder: string, onConnection: (socket: Socket) => void): Promise<void> {
  const queue = (await queueOf(folder))!
  const server = createServer(onConnection)
  const path = join(queue.folder, `${queue.name}-0000000000-00000000`)
  await new Promise<void>((resolve) => server.listen({ path }, resolve))
  onTestFinished(() => void server.close())
}

beforeEach(async () => {
  vi.stubEnv('XDG_RUNTIME_DIR', await temporaryFolder())
})

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the lock of builders', () => {
  it('lets one in at a time, and all in the end', async () => {
    const folder = await temporaryFolder()
    let inside = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lock = await lockBuilds(folder, undefined, nobody)
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setTimeout(resolve, 2))
        inside--
        await lock.release()
      }),
    )
    expect(most).toBe(1)
  })

  it('is of one folder', async () => {
    const [a, b] = [await temporaryFolder(), await temporaryFolder()]
    const locks = await Promise.all([lockBuilds(a, undefined, nobody), lockBuilds(b, undefined, nobody)])
    for (const lock of locks) await lock.release()
  })

  it('brings news to those who wait, also of what was told before they came', async () => {
    const folder = await temporaryFolder()
    const lock = await lockBuilds(folder, undefined, nobody)
    const first: KeyedProgress = { key: 'k', fraction: 0.5, phase: 'building' }
    lock.emit(first)
    const heard: KeyedProgress[] = []
    const waiting = lockBuilds(folder, undefined, (news) => heard.push(news))
    await expect.poll(() => heard).toEqual([first])
    lock.emit({ ...first, fraction: 0.75 })
    await expect.poll(() => heard).toEqual([first, { ...first, fraction: 0.75 }])
    await lock.release()
    await (await waiting).release()
  })

  it('lets a waiter go when its signal aborts', async () => {
    const folder = await temporaryFolder()
    const lock = await lockBuilds(folder, undefined, nobody)
    const controller = new AbortController()
    lock.emit({ key: 'k', fraction: 0.5, phase: 'building' })
    const waiting = lockBuilds(folder, controller.signal, () =>
      setImmediate(() => controller.abort(new Error('enough'))),
    )
    await expect(waiting).rejects.toThrow('enough')
    await lock.release()
    await (await lockBuilds(folder, undefined, nobody)).release()
  })

  it('lets a waiter go when its signal aborts while the lock is tried', async () => {
    const folder = await temporaryFolder()
    const lock = await lockBuilds(folder, undefined, nobody)
    const controller = new AbortController()
    const waiting = lockBuilds(folder, controller.signal, nobody)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await lock.release()
  })

  it('gives a waiter back what its listener throws', async () => {
    const folder = await temporaryFolder()
    const lock = await lockBuilds(folder, undefined, nobody)
    lock.emit({ key: 'k', fraction: 0.5, phase: 'building' })
    const waiting = lockBuilds(folder, undefined, () => {
      throw new Error('of the listener')
    })
    await expect(waiting).rejects.toThrow('of the listener')
    await lock.release()
  })

  it('believes nothing but news of whoever has its name', async () => {
    const folder = await temporaryFolder()
    const news: KeyedProgress = { key: 'k', fraction: 0.5, phase: 'building' }
    const lines = [
      'nonsense',
      'null',
      '[1]',
      JSON.stringify({ ...news, key: 1 }),
      JSON.stringify({ ...news, phase: null }),
      JSON.stringify({ ...news, phase: '\x1b[2J' }),
      ...[-1, 2, null, '1'].map((fraction) => JSON.stringify({ ...news, fraction })),
      'x'.repeat(1e6),
      JSON.stringify({ ...news, more: true }),
    ]
    await stranger(folder, (socket) => void socket.write(`${lines.join('\n')}\n`))
    const controller = new AbortController()
    const heard: KeyedProgress[] = []
    const waiting = lockBuilds(folder, controller.signal, (each) => {
      heard.push(each)
      controller.abort(new Error('enough'))
    })
    await expect(waiting).rejects.toThrow('enough')
    expect(heard).toEqual([news])
  })

  it('is free at once when its owner is killed', async () => {
    const folder = await temporaryFolder()
    const child = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `${holder(folder)}; process.stdout.write('locked'); setInterval(() => {}, 1000)`,
    ])
    onTestFinished(() => void child.kill('SIGKILL'))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    const heard: KeyedProgress[] = []
    const waiting = lockBuilds(folder, undefined, (news) => heard.push(news))
    await expect.poll(() => heard).toEqual([{ key: 'theirs', fraction: 0.25, phase: 'building' }])
    child.kill('SIGKILL')
    await (await waiting).release()
  })

  it('is free at once when the thread of its owner is ended', async () => {
    const folder = await temporaryFolder()
    const body = `(async () => {${holder(folder)}; require('node:worker_threads').parentPort.postMessage('locked'); setInterval(() => {}, 1000) })()`
    const worker = new Worker(body, { eval: true })
    await new Promise((resolve) => worker.once('message', resolve))
    const waiting = lockBuilds(folder, undefined, nobody)
    await worker.terminate()
    await (await waiting).release()
  })

  it('leaves nothing in its folder', async () => {
    const folder = await temporaryFolder()
    const lock = await lockBuilds(folder, undefined, nobody)
    expect(await entriesOf((await queueOf(folder))!)).toHaveLength(1)
    await lock.release()
    expect(await readdir((await lockFolder())!)).toEqual([])
  })

  it('is taken over from killed owners by one of many, in several processes', async () => {
    const folder = await temporaryFolder()
    const queue = (await queueOf(folder))!
    const hold = `${holder(folder)}; process.stdout.write('locked'); setInterval(() => {}, 1000)`
    const children = Array.from({ length: 3 }, () =>
      spawn(process.execPath, ['--input-type=module', '--eval', hold]),
    )
    onTestFinished(() => {
      for (const child of children) child.kill('SIGKILL')
    })
    const left = new Set(children)
    while (left.size > 0) {
      const owner = await Promise.race(
        [...left].map(
          (child) => new Promise<typeof child>((resolve) => child.stdout.once('data', () => resolve(child))),
        ),
      )
      // All others queue up behind it.
      await expect.poll(async () => (await entriesOf(queue)).length).toBeGreaterThanOrEqual(left.size)
      left.delete(owner)
      owner.kill('SIGKILL')
    }
    let inside = 0
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const lock = await lockBuilds(folder, undefined, nobody)
        expect(++inside).toBe(1)
        await new Promise(setImmediate)
        inside--
        await lock.release()
      }),
    )
    expect(await readdir(queue.folder)).toEqual([])
  })

  it('is kept by one at a time of many that come and go in several processes', async () => {
    const folder = await temporaryFolder()
    const body = `
const { lockBuilds } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist/engines/build-lock.js')).href)})
const { open, rm } = await import('node:fs/promises')
for (let i = 0; i < 15; i++) {
  const lock = await lockBuilds(${JSON.stringify(folder)}, undefined, () => {})
  // Fails where somebody else is inside.
  await (await open(${JSON.stringify(join(folder, 'inside'))}, 'wx')).close()
  await rm(${JSON.stringify(join(folder, 'inside'))})
  await lock.release()
}`
    const codes = await Promise.all(
      Array.from({ length: 4 }, () => {
        const child = spawn(process.execPath, ['--input-type=module', '--eval', body], {
          stdio: ['ignore', 'ignore', 'inherit'],
        })
        return new Promise((resolve) => child.once('exit', resolve))
      }),
    )
    expect(codes).toEqual([0, 0, 0, 0])
  })
})

describe('a builder that does not keep to what is agreed', () => {
  it('is not waited for where it is silent', async () => {
    const folder = await temporaryFolder()
    await stranger(folder, nobody)
    await (await lockBuilds(folder, undefined, nobody, 50)).release()
  })

  it('is not waited for where it talks without end', async () => {
    const folder = await temporaryFolder()
    await stranger(folder, (socket) => {
      const flood = () => {
        while (socket.write('x'.repeat(65_536)));
      }
      socket.on('drain', flood).on('error', nobody)
      flood()
    })
    await (await lockBuilds(folder, undefined, nobody)).release()
  })

  it('is not waited for where it never ends choosing its place', async () => {
    const folder = await temporaryFolder()
    const queue = (await queueOf(folder))!
    const server = createServer(nobody)
    await new Promise<void>((resolve) =>
      server.listen({ path: join(queue.folder, `${queue.name}-new-00000000`) }, resolve),
    )
    onTestFinished(() => void server.close())
    await (await lockBuilds(folder, undefined, nobody, 50)).release()
  })

  it('is asked ever less often where it hangs up', async () => {
    const folder = await temporaryFolder()
    const controller = new AbortController()
    let connections = 0
    const begun = performance.now()
    await stranger(folder, (socket) => {
      socket.destroy()
      // After 5, 10, 20, … milliseconds, doubled each time: at least 1.2 seconds.
      if (++connections === 9) controller.abort(new Error('enough'))
    })
    await expect(lockBuilds(folder, controller.signal, nobody)).rejects.toThrow('enough')
    expect(performance.now() - begun).toBeGreaterThan(1000)
  })
})

describe("the folder of a user's locks", () => {
  it('is for this user alone', async () => {
    const folder = (await lockFolder())!
    expect(folder.startsWith(process.env.XDG_RUNTIME_DIR!)).toBe(true)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    await access(folder)
  })

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['a link', async (path) => symlink(await temporaryFolder(), path)],
    ['open to others', async (path) => mkdir(path).then(() => chmod(path, 0o777))],
    ['readable for others', async (path) => mkdir(path).then(() => chmod(path, 0o750))],
    ["somebody else's", async (path) => mkdir(path, 0o700).then(() => chown(path, 12345, 12345))],
  ])('is another one where it is %s', async (what, take) => {
    if (what.startsWith('somebody') && process.getuid?.() !== 0) return
    const runtime = await temporaryFolder()
    const temporary = await temporaryFolder()
    vi.stubEnv('TMPDIR', temporary)
    await take(join(runtime, 'efficientdet-trt'))
    expect(await lockFolder({ XDG_RUNTIME_DIR: runtime })).toBe(
      join(temporary, `efficientdet-trt-${process.getuid?.()}`),
    )
  })

  it('is another one where its path is too long for a socket', async () => {
    const runtime = join(await temporaryFolder(), 'a'.repeat(100))
    await mkdir(runtime)
    const folder = await lockFolder({ XDG_RUNTIME_DIR: runtime })
    expect(folder).not.toBeNull()
    expect(folder!.length).toBeLessThan(70)
  })
})
