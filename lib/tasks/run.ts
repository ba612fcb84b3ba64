import { Worker } from 'node:worker_threads'
import { EfficientDetError } from '../errors.js'
import { fromWire, type WireError } from '../threads/wire-error.js'
import type { Tasks } from './tasks.js'

/**
 * Runs a task in a thread of its own, which is ended when the signal aborts.
 *
 * @throws what the task throws; the signal's reason
 */
export async function runTask<Name extends keyof Tasks>(
  name: Name,
  args: Parameters<Tasks[Name]>,
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Tasks[Name]>>> {
  signal?.throwIfAborted()
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: { name, args } })
  let onAbort: (() => void) | undefined
  try {
    return await new Promise<Awaited<ReturnType<Tasks[Name]>>>((resolve, reject) => {
      onAbort = () => reject(signal!.reason)
      signal?.addEventListener('abort', onAbort)
      worker.on('message', (message: { result?: never; error?: WireError }) => {
        if (message.error !== undefined) reject(fromWire(message.error, 'ERR_WEIGHTS'))
        else resolve(message.result!)
      })
      worker.on('error', (cause) =>
        reject(new EfficientDetError('ERR_WEIGHTS', `${name} failed: ${cause.message}`, { cause })),
      )
      worker.on('exit', (code) =>
        reject(new EfficientDetError('ERR_WEIGHTS', `${name} ended early (exit code ${code}).`)),
      )
    })
  } finally {
    signal?.removeEventListener('abort', onAbort!)
    await worker.terminate()
  }
}
