import { workerData } from 'node:worker_threads'
import { postOutcome } from '../threads/outcome.js'
import { TASKS } from './tasks.js'

/** The thread of one task. */
const { name, args } = workerData as { name: keyof typeof TASKS; args: never[] }
const task = TASKS[name] as (...args: never[]) => Promise<unknown>
postOutcome(task(...args), (result) => {
  const isGraph = typeof result === 'object' && result !== null && 'onnx' in result
  return isGraph && result.onnx instanceof Uint8Array ? [result.onnx.buffer as ArrayBuffer] : []
})
