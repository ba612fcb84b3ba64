import { EfficientDetError, type ErrorCode } from '../base/errors.js'
import { onAbort } from './abort.js'
import type { Outcome } from './outcome.js'
import { fromWire } from './wire-error.js'
import { withResolvers } from './with-resolvers.js'
import { heapError, startWorker } from './worker.js'

export interface JobOptions {
  readonly signal?: AbortSignal | undefined
  /** The code of failures that bring none of their own. */
  readonly fallback: ErrorCode
}

/**
 * Runs a worker file that answers once (see `postOutcome`) and ends its thread, at the latest when the signal aborts.
 *
 * @throws the job's error; the signal's reason
 */
export async function runJob<Result>(
  url: URL,
  workerData: unknown,
  { signal, fallback }: JobOptions,
): Promise<Result> {
  signal?.throwIfAborted()
  const worker = startWorker(url, workerData)
  const { promise, resolve, reject } = withResolvers<Result>()
  const stopListening = onAbort(signal, () => reject(signal!.reason))
  worker.on('message', (outcome: Outcome<Result>) => {
    if ('error' in outcome) reject(fromWire(outcome.error, fallback))
    else resolve(outcome.result)
  })
  worker.on('error', (cause) =>
    reject(heapError(cause) ?? new EfficientDetError(fallback, cause.message, { cause })),
  )
  worker.on('exit', (code) =>
    reject(new EfficientDetError(fallback, `A thread ended early (exit code ${code}).`)),
  )
  try {
    return await promise
  } finally {
    stopListening()
    await worker.terminate()
  }
}
