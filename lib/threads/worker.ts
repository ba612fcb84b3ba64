import { Worker } from 'node:worker_threads'

/** Starts a worker file in a thread of its own. */
export function startWorker(url: URL, workerData: unknown): Worker {
  // `node --input-type=module --eval …` would hand its flag on to the thread, and Node refuses it beside a file.
  const evaluated = process.execArgv.some((flag) => flag.startsWith('--input-type'))
  return new Worker(url, { workerData, ...(evaluated && { execArgv: [] }) })
}
