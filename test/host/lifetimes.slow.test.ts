import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { hasNative } from '../helpers/native.js'
import { PROLOGUE, program, QUIET } from '../helpers/programs.js'

/**
 * Begins a program that watches its own children: in a worker thread, the CPU backend runs in a process. Only the
 * addon collects it, once its thread has ended.
 */
const WATCH = `
import { readdirSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
function living() {
  return readdirSync('/proc').filter((pid) => {
    try {
      const [state, parent] = readFileSync(\`/proc/\${pid}/stat\`, 'utf8').split(') ').at(-1).split(' ')
      return Number(parent) === process.pid && (${hasNative} || state !== 'Z')
    } catch {
      return false
    }
  })
}
async function untilNoneLives() {
  while (living().length > 0) await sleep(20)
}
/** A worker thread in which a module's text runs, after it loaded a detector and said so. */
function worker(body, options = "{ inputSize: 64, threads: 1 }") {
  const source = \`
    import(\${JSON.stringify(INDEX)}).then(async ({ EfficientDet }) => {
      const { parentPort, workerData: PERSON } = await import('node:worker_threads')
      const frame = { data: new Uint8Array(64 * 64), format: 'grey', width: 64, height: 64 }
      const frames = function* () { for (;;) yield frame }
      const detector = await EfficientDet.load('person', \${options})
      parentPort.postMessage('loaded')
      \${body}
    })\`
  return new Worker(source, { eval: true, workerData: PERSON })
}
`

const isLinux = process.platform === 'linux'

describe.skipIf(!isLinux)('the process of a detector in a worker thread', () => {
  it.each([
    ['is terminated', 'for (;;) await detector.detect(frame)', 'await thread.terminate()'],
    ['is terminated while idle', "parentPort.on('message', () => {})", 'await thread.terminate()'],
    ['exits', "parentPort.once('message', () => process.exit(0))", "await told('exit')"],
    ['has nothing more to do', "parentPort.once('message', () => {})", "await told('exit')"],
    ['fails', "parentPort.once('message', () => { throw new Error('as told') })", "await told('error')"],
  ])('ends when the thread %s', async (_, body, end) => {
    const result = await program(`${WATCH}
      const thread = worker(${JSON.stringify(body)})
      await once(thread, 'message')
      const begun = living().length
      const told = (event) => new Promise((resolve) => {
        thread.on(event, resolve)
        thread.postMessage('go on')
      })
      ${end}
      await untilNoneLives()
      console.log(begun)`)
    expect(result).toEqual({ ...QUIET, stdout: '1\n' })
  })

  it('ends when the thread is terminated while it loads', async () => {
    const result = await program(`${WATCH}
      const thread = worker('', "{ onProgress: ({ stage }) => parentPort.postMessage(stage) }")
      await once(thread, 'message')
      await thread.terminate()
      await untilNoneLives()`)
    expect(result).toEqual({ ...QUIET, stdout: '' })
  })

  it.each([
    ['works', 'for (;;) await detector.detect(frame)', 'loaded', '{}'],
    ['loads', '', 'graph', '{ onProgress: ({ stage }) => parentPort.postMessage(stage) }'],
  ])('ends when everything is killed while it %s', async (_, body, sign, options) => {
    const text = `${PROLOGUE}${WATCH}
      worker(${JSON.stringify(body)}, ${JSON.stringify(options)}).on('message', (message) => console.log(message))`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', text], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    parent.stdout.on('data', (output) => {
      if (String(output).includes(sign)) parent.kill('SIGKILL')
    })
    // The process has the same output, which is closed by the last that has it.
    await once(parent.stdout, 'end')
  })

  it('ends a stream and a batch when it is killed, and their detector for good', async () => {
    const result = await program(`${WATCH}
      const thread = worker(\`
        const codes = []
        const note = (error) => codes.push(error.code)
        const images = async () => {
          for await (const _ of detector.stream(frames(), { onError: 'yield' })) parentPort.postMessage('running')
        }
        await Promise.all([images().catch(note), detector.detectBatch(frames()).catch(note)])
        await detector.detect(frame).catch(note)
        await detector.dispose()
        parentPort.postMessage(codes.join())\`)
      for await (const [message] of (await import('node:events')).on(thread, 'message')) {
        if (message === 'running') for (const pid of living()) process.kill(Number(pid), 'SIGKILL')
        else if (message !== 'loaded') {
          console.log(message)
          break
        }
      }`)
    expect(result).toEqual({ ...QUIET, stdout: 'ERR_ENGINE_LOST,ERR_ENGINE_LOST,ERR_ENGINE_LOST\n' })
  })

  it('is missed when it is killed while it loads', async () => {
    const result = await program(`${WATCH}
      const thread = new Worker(\`
        import(\${JSON.stringify(INDEX)}).then(async ({ EfficientDet }) => {
          const { parentPort } = await import('node:worker_threads')
          const onProgress = ({ stage }) => parentPort.postMessage(stage)
          await EfficientDet.load('person', { onProgress }).catch(({ code }) => parentPort.postMessage(code))
        })\`, { eval: true })
      thread.on('message', (message) => {
        if (message.startsWith('ERR')) console.log(message)
        else for (const pid of living()) process.kill(Number(pid), 'SIGKILL')
      })`)
    expect(result).toEqual({ ...QUIET, stdout: 'ERR_ENGINE_LOST\n' })
  })
})
