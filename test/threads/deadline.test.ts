import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Deadline } from '#lib/threads/deadline.js'
import { ROOT } from '../helpers/cli.js'
import { program } from '../helpers/programs.js'

/** Holds up the event loop. */
function block(milliseconds: number): void {
  const begun = performance.now()
  while (performance.now() - begun < milliseconds);
}

/** Answers when it is asked, and tells then that it has. */
const ANSWER = `
const { parentPort, workerData } = require('node:worker_threads')
Atomics.wait(workerData, 0, 0)
parentPort.postMessage('answer')
Atomics.store(workerData, 1, 1)
Atomics.notify(workerData, 1)`

describe('a deadline', () => {
  it('tells of each call that is late, once, and not of those that ended', async () => {
    const deadline = new Deadline(40)
    const begun = performance.now()
    const late: [string, number][] = []
    const begin = (name: string) => {
      const onLate = () => void late.push([name, performance.now() - begun])
      deadline.begin(onLate)
      return onLate
    }
    begin('first')
    deadline.end(begin('ended'))
    await sleep(20)
    begin('second')
    await expect.poll(() => late.map(([name]) => name)).toEqual(['first', 'second'])
    expect(late[0][1]).toBeGreaterThanOrEqual(39)
    expect(late[1][1]).toBeGreaterThanOrEqual(59)
  })

  it('gives an answer its turn that came while the event loop was held up', async () => {
    const deadline = new Deadline(20)
    const late: string[] = []
    const onLate = () => void late.push('answered')
    const asked = new Int32Array(new SharedArrayBuffer(8))
    // Another thread answers, as a backend's does.
    const thread = new Worker(ANSWER, { eval: true, workerData: asked })
    thread.once('message', () => deadline.end(onLate))
    await once(thread, 'online')
    deadline.begin(onLate)
    deadline.begin(() => void late.push('silent'))
    Atomics.store(asked, 0, 1)
    Atomics.notify(asked, 0)
    Atomics.wait(asked, 1, 0)
    block(60)
    await expect.poll(() => late).toEqual(['silent'])
  })

  it('comes where nothing else happens in the process, and does not keep it alive', async () => {
    const url = JSON.stringify(pathToFileURL(join(ROOT, 'dist/threads/deadline.js')).href)
    const begin = (limit: number) => `
      const { Deadline } = await import(${url})
      new Deadline(${limit}).begin(() => process.exit(3))`
    const [late, done] = await Promise.all([
      program(`${begin(50)}; setInterval(() => {}, 1e9)`),
      program(begin(50_000)),
    ])
    expect([late.code, done.code]).toEqual([3, 0])
  })
})
