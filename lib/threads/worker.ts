import { Worker } from 'node:worker_threads'
import { EfficientDetError } from '../base/errors.js'

/**
 * Megabytes of JavaScript's heap for a thread, or a process in its place: three times what the largest pickle
 * (lib/base/limits.ts) makes. Weights, pictures and networks lie outside.
 */
export const MAX_HEAP = 1024

/** Starts a worker file in a thread of its own. */
export function startWorker(url: URL, workerData: unknown): Worker {
  // `node --input-type=module --eval …` would hand its flag on to the thread, and Node refuses it beside a file.
  const evaluated = process.execArgv.some((flag) => flag.startsWith('--input-type'))
  return new Worker(url, {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP },
    ...(evaluated && { execArgv: [] }),
  })
}

/** The error for a thread that ended because its heap was full; null for one that ended otherwise. */
export function heapError(cause: Error): EfficientDetError | null {
  if ((cause as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') return null
  return new EfficientDetError(
    'ERR_OUT_OF_MEMORY',
    `A thread was ended that needed more than ${MAX_HEAP} MB for what it read, far more than any model takes. The file is damaged, or was made to do so.`,
    { cause },
  )
}
