// Ends worker threads while they build engines that are never done: nobody must wait for that.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { build } from './fake.mjs'

if (isMainThread) {
  await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      const worker = new Worker(new URL(import.meta.url))
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
      await new Promise((resolve) => setTimeout(resolve, 10 * i))
      await worker.terminate()
    }),
  )
  console.log('ended')
} else {
  build(() => parentPort.postMessage('building'))
}
