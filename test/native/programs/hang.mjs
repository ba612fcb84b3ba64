// Ends a worker thread whose backend never answers: its end must not wait for that for ever.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fire, load } from './fake.mjs'

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url))
  await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
  await worker.terminate()
  console.log('ended')
  // The thread that is left behind keeps no process from its end.
} else {
  fire(await load(), 1)
  setTimeout(() => parentPort.postMessage('busy'), 50)
}
