import type { EventEmitter } from 'node:events'
import { EfficientDetError, type ErrorCode } from '../base/errors.js'
import { onAbort } from './abort.js'
import { endThread } from './native-calls.js'
import type { Outcome } from './outcome.js'
import { startPeer } from './peer.js'
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
export async function runJob<Result>(url: URL, workerData: unknown, options: JobOptions): Promise<Result> {
  options.signal?.throwIfAborted()
  const worker = startWorker(url, workerData)
  try {
    return await answerOf<Result>(worker, options)
  } finally {
    await worker.terminate()
  }
}

/**
 * Does the same with a file that makes native calls, in which its thread must not be ended.
 *
 * @throws the job's error; the signal's reason, at once
 */
export async function runNativeJob<Result>(url: URL, data: object, options: JobOptions): Promise<Result> {
  options.signal?.throwIfAborted()
  const { peer, calls } = startPeer(url, data)
  try {
    return await answerOf<Result>(peer, options)
  } finally {
    const ended = endThread(peer, calls)
    if (!options.signal?.aborted) await ended
  }
}

/** What a thread or process answers, or why it does not. */
async function answerOf<Result>(worker: EventEmitter, { signal, fallback }: JobOptions): Promise<Result> {
  const { promise, resolve, reject } = withResolvers<Result>()
  const stopListening = onAbort(signal, () => reject(signal!.reason))
  worker.on('message', (outcome: Outcome<Result>) => {
    if ('error' in outcome) reject(fromWire(outcome.error, fallback))
    else resolve(outcome.result)
  })
  worker.on('error', (cause: Error) =>
    reject(heapError(cause) ?? new EfficientDetError(fallback, cause.message, { cause })),
  )
  worker.on('exit', (code) =>
    reject(new EfficientDetError(fallback, `A thread ended early (exit code ${code}).`)),
  )
  try {
    return await promise
  } finally {
    stopListening()
  }
}
