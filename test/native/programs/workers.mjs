// Ends many worker threads while their engines work, and calls the addon from this thread meanwhile.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fire, frame, load } from './fake.mjs'

const COUNT = Number(process.argv[2])
const AT_ONCE = 10

if (isMainThread) {
  const engine = await load()
  for (let done = 0; done < COUNT; done += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, i) => {
        const worker = new Worker(new URL(import.meta.url), { argv: [COUNT] })
        await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
        await new Promise((resolve) => setTimeout(resolve, i))
        await worker.terminate()
      }),
    )
    await frame(engine)
  }
  await engine.close()
  console.log(`${COUNT} workers ended`)
} else {
  const engine = await load()
  fire(engine, 50)
  parentPort.postMessage('busy')
}
