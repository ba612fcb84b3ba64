import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { program, QUIET } from '../helpers/programs.js'

/** Begins a program that finds the networks that share the cores by what they map: a file that is no more. */
const WATCH = `
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('efficientdet-'))
function mapped(pid = 'self') {
  const maps = readFileSync(\`/proc/\${pid}/maps\`, 'utf8')
  return maps.split('\\n').filter((line) => line.endsWith('/network.ort (deleted)')).length
}
/** Frames at the same time, until the networks are there. */
async function untilShared(detector, frame) {
  while (mapped() === 0) await detector.detectBatch(Array(40).fill(frame))
}
const frame = { data: new Uint8Array(64 * 64), format: 'grey', width: 64, height: 64 }
`

const isLinux = process.platform === 'linux'

describe('many calls', () => {
  it.runIf(isLinux)(
    'share the cores in networks that share their weights, and answer as one alone',
    async () => {
      const folder = await temporaryFolder()
      const result = await program(`${WATCH}
      process.env.TMPDIR = ${JSON.stringify(folder)}
      const detector = await EfficientDet.load('person', { threads: 3 })
      console.log(detector.backend.description.replace(/[\\d.]+/, '#'))
      const alone = await detector.detect(PERSON)
      console.log('alone', mapped())
      await untilShared(detector, frame)
      const together = await Promise.all(Array.from({ length: 12 }, () => detector.detect(PERSON)))
      const same = together.filter(({ detections }) => JSON.stringify(detections) === JSON.stringify(alone.detections))
      console.log('together', mapped(), same.length, 'left', left().length)
      await detector.dispose()
      console.log('disposed', mapped())`)
      expect(result).toEqual({
        ...QUIET,
        stdout: [
          'onnxruntime #, 3 threads, for many calls 3 networks of 1 thread',
          'alone 0',
          'together 3 12 left 0',
          'disposed 0\n',
        ].join('\n'),
      })
    },
  )

  it('are answered where no file can be written', async () => {
    const result = await program(`
      process.env.TMPDIR = '/nowhere'
      const detector = await EfficientDet.load('person', { threads: 2, inputSize: 64 })
      for (let round = 0; round < 4; round++) {
        const outcomes = await detector.detectBatch(Array(40).fill(PERSON))
        console.log(outcomes.filter((outcome) => !('error' in outcome)).length)
      }
      console.log(detector.backend.description.replace(/[\\d.]+/, '#'))
      await detector.dispose()`)
    const stdout = '40\n40\n40\n40\nonnxruntime #, 2 threads, for many calls 2 networks of 1 thread\n'
    expect(result).toEqual({ ...QUIET, stdout })
  })

  it.each([
    ['is disposed', 'await detector.dispose()'],
    ['is forgotten', ''],
    ['exits', 'process.exit()'],
  ])('leave nothing where the program %s while their networks are opened', async (_, end) => {
    const folder = await temporaryFolder()
    const result = await program(`${WATCH}
      process.env.TMPDIR = ${JSON.stringify(folder)}
      const detector = await EfficientDet.load('person', { threads: 2, inputSize: 64 })
      await detector.detectBatch(Array(40).fill(frame))
      ${end}`)
    expect(result).toEqual({ ...QUIET, stdout: '' })
    const { stdout } = await program(`${WATCH}
      process.env.TMPDIR = ${JSON.stringify(folder)}
      console.log(left().length)`)
    expect(stdout).toBe('0\n')
  })

  it.runIf(isLinux)(
    'share the cores in processes where the program is a thread; the end of one is told',
    async () => {
      const folder = await temporaryFolder()
      const result = await program(`${WATCH}
      import { once } from 'node:events'
      import { Worker } from 'node:worker_threads'
      process.env.TMPDIR = ${JSON.stringify(folder)}
      const source = \`
        import(\${JSON.stringify(INDEX)}).then(async ({ EfficientDet }) => {
          const { parentPort, workerData: frame } = await import('node:worker_threads')
          const detector = await EfficientDet.load('person', { inputSize: 64, threads: 2 })
          let code
          while (code === undefined) {
            const outcomes = detector.stream(Array(40).fill(frame))
            try {
              for await (const _ of outcomes);
            } catch (error) {
              code = error.code
            }
          }
          await detector.dispose()
          parentPort.postMessage(code)
        })\`
      const worker = new Worker(source, { eval: true, workerData: frame })
      const children = () =>
        readdirSync('/proc').filter((pid) => {
          try {
            return Number(readFileSync(\`/proc/\${pid}/stat\`, 'utf8').split(') ').at(-1).split(' ')[1]) === process.pid
          } catch {
            return false
          }
        })
      const sharing = () => children().filter((pid) => mapped(pid) > 0)
      while (sharing().length < 2) await sleep(20)
      console.log(children().length)
      // One that ends before all have been opened is done without.
      while (left().length > 0) await sleep(20)
      process.kill(Number(sharing()[0]), 'SIGKILL')
      console.log((await once(worker, 'message'))[0])`)
      expect(result).toEqual({ ...QUIET, stdout: '3\nERR_ENGINE_LOST\n' })
    },
  )
})
