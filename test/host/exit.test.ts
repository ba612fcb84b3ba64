import { describe, expect, it } from 'vitest'
import { program, QUIET } from '../helpers/programs.js'

describe('the end of the process', () => {
  it('does not wait for a detector that nobody asks', async () => {
    const result = await program(`
      const detector = await EfficientDet.load('person', { inputSize: 128 })
      console.log(detector.model.variant)`)
    expect(result).toEqual({ ...QUIET, stdout: 'lite0\n' })
  })

  it('waits for a call that is under way', async () => {
    const result = await program(`
      const detector = await EfficientDet.load('person')
      detector.detect(PERSON).then(({ detections }) => console.log(detections.length))`)
    expect(result).toEqual({ ...QUIET, stdout: '1\n' })
  })
})

describe('worker threads', () => {
  it('detect as the main thread does, and leave no process behind', async () => {
    const result = await program(`
      import { spawnSync } from 'node:child_process'
      import { Worker } from 'node:worker_threads'
      const source = \`
        import(\${JSON.stringify(INDEX)}).then(async ({ EfficientDet }) => {
          const { parentPort, workerData } = await import('node:worker_threads')
          const detector = await EfficientDet.load('person')
          const frame = { data: new Uint8Array(3), format: 'grey', width: 2, height: 2 }
          const refused = await detector.detect(frame).catch(({ code }) => code)
          const { detections } = await detector.detect(workerData)
          await detector.dispose()
          const missing = await EfficientDet.load(workerData).catch(({ code }) => code)
          parentPort.postMessage({ refused, missing, detections })
        })\`
      const worker = new Worker(source, { eval: true, workerData: PERSON })
      const { detections, ...codes } = await new Promise((resolve) => worker.once('message', resolve))
      const detector = await EfficientDet.load('person')
      const expected = (await detector.detect(PERSON)).detections
      console.log(JSON.stringify(codes), JSON.stringify(detections) === JSON.stringify(expected), detections.length)
      const { stdout } = spawnSync('pgrep', ['-P', String(process.pid), '-f', 'network-worker'])
      console.log('left:', String(stdout ?? '').trim())`)
    expect(result).toEqual({
      ...QUIET,
      stdout: '{"refused":"ERR_INVALID_OPTION","missing":"ERR_WEIGHTS"} true 1\nleft: \n',
    })
  })
})
