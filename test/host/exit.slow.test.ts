import { describe, expect, it } from 'vitest'
import { program, QUIET } from '../helpers/programs.js'

describe('the end of the process', () => {
  it('comes by itself and with code 0, though nothing was disposed', async () => {
    for (let i = 0; i < 10; i++) {
      const result = await program(`
        const detector = await EfficientDet.load('person', { inputSize: 128, threads: 1 })
        const { width } = await detector.detect(PERSON)
        console.log(width)`)
      expect(result).toEqual({ ...QUIET, stdout: '640\n' })
    }
  })

  it.each([0, 10, 20, 40, 80])('may come %i ms into a run', async (delay) => {
    // Raw pixels, so that no time goes into decoding; the first run of a network is slow besides.
    const result = await program(`
      const detector = await EfficientDet.load('person')
      const frame = { data: new Uint8Array(64 * 64), format: 'grey', width: 64, height: 64 }
      await detector.detect(frame)
      for (let i = 0; i < 4; i++) detector.detect(frame)
      setTimeout(() => process.exit(0), ${delay})`)
    expect(result).toEqual({ ...QUIET, stdout: '' })
  })

  it.each([20, 100, 200, 300, 400])('may come %i ms into loading', async (delay) => {
    const result = await program(`
      EfficientDet.load('person')
      setTimeout(() => process.exit(0), ${delay})`)
    expect(result).toEqual({ ...QUIET, stdout: '' })
  })

  it.each([100, 200, 300])('may come after loading was cancelled at %i ms', async (delay) => {
    const result = await program(`
      const signal = AbortSignal.timeout(${delay})
      await EfficientDet.load('person', { signal }).catch((error) => console.log(error === signal.reason))
      await sleep(5)
      process.exit(0)`)
    expect(result).toEqual({ ...QUIET, stdout: 'true\n' })
  })

  it('may come during disposal', async () => {
    const result = await program(`
      const detector = await EfficientDet.load('person', { inputSize: 128 })
      detector.detect(PERSON)
      detector.dispose()
      setTimeout(() => process.exit(0), 5)`)
    expect(result).toEqual({ ...QUIET, stdout: '' })
  })
})

describe('worker threads', () => {
  it('may be ended in mid-run, four at once, without any harm to the process', async () => {
    for (let round = 0; round < 3; round++) {
      const result = await program(`
        import { Worker } from 'node:worker_threads'
        const source = \`
          import(\${JSON.stringify(INDEX)}).then(async ({ EfficientDet }) => {
            const { parentPort, workerData } = await import('node:worker_threads')
            const detector = await EfficientDet.load('person', { threads: 1 })
            parentPort.postMessage('running')
            for (;;) await detector.detect(workerData)
          })\`
        const workers = Array.from({ length: 4 }, () => new Worker(source, { eval: true, workerData: PERSON }))
        await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
        await sleep(${30 + 40 * round})
        await Promise.all(workers.map((worker) => worker.terminate()))
        // The process works on as if nothing had been.
        const detector = await EfficientDet.load('person')
        console.log((await detector.detect(PERSON)).detections.length)`)
      expect(result).toEqual({ ...QUIET, stdout: '1\n' })
    }
  })
})
