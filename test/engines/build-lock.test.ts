import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type KeyedProgress, lockBuilds } from '#lib/engines/build-lock.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { ROOT } from '../helpers/cli.js'

const nobody = () => {}

/** Takes the lock of a folder and keeps it, in a program of its own. */
const holder = (folder: string) => `
const { lockBuilds } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist/engines/build-lock.js')).href)})
const lock = await lockBuilds(${JSON.stringify(folder)}, undefined, () => {})
lock.emit({ key: 'theirs', fraction: 0.25, phase: 'building' })
`

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
    const name = createHash('sha256').update(folder).digest('hex').slice(0, 32)
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
    const stranger = createServer((socket) => void socket.write(`${lines.join('\n')}\n`))
    await new Promise<void>((resolve) => stranger.listen({ path: `\0efficientdet-trt-${name}` }, resolve))
    onTestFinished(() => void stranger.close())
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
})
