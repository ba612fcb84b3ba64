import { parentPort, workerData } from 'node:worker_threads'
import { toWire } from '../threads/wire-error.js'
import { TASKS } from './tasks.js'

/** The thread of one task: runs it, posts its result or error, ends. */
const { name, args } = workerData as { name: keyof typeof TASKS; args: never[] }
const task = TASKS[name] as (...args: never[]) => Promise<unknown>
task(...args).then(
  (result) => parentPort!.postMessage({ result }),
  (error) => parentPort!.postMessage({ error: toWire(error) }),
)
