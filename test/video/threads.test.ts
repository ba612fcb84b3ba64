import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, run } from '../helpers/cli.js'
import { clip, hasFfmpeg, picture } from '../helpers/ffmpeg.js'
import { QUIET } from '../helpers/programs.js'

/** Opens a video in a thread, of which some frames are taken before the thread is ended, again and again. */
const PROGRAM = (video: string, path: string) => `
import { execFileSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
const work = \`
  const { parentPort } = require('node:worker_threads')
  import(${JSON.stringify(video)}).then(async ({ openVideo }) => {
    let frames = 0
    for await (const _ of await openVideo(${JSON.stringify(path)})) if (++frames === 3) parentPort.postMessage('on the way')
  })\`
for (let i = 0; i < 4; i++) {
  const worker = new Worker(work, { eval: true, execArgv: [] })
  await new Promise((resolve) => worker.once('message', resolve))
  await worker.terminate()
}
console.log(execFileSync('ps', ['-o', 'comm=', '--ppid', String(process.pid)], { encoding: 'utf8' }).trim())
`

describe.runIf(hasFfmpeg)('a video in a thread', () => {
  it('ends with it, and its decoder too', async () => {
    const path = await clip('a.mp4', ...picture('320x240', 20))
    const program = PROGRAM(join(ROOT, 'dist', 'video.js'), path)
    expect(await run(process.execPath, ['--input-type=module', '--eval', program])).toEqual({
      ...QUIET,
      stdout: 'ps\n',
    })
  })
})
