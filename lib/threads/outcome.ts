import { parentPort } from 'node:worker_threads'
import { toWire, type WireError } from './wire-error.js'

export type Outcome<Result> = { readonly result: Result } | { readonly error: WireError }

/**
 * Posts what a job comes to, from the thread that does it.
 *
 * @param transferOf buffers of the result that move to the other thread instead of being copied
 */
export function postOutcome<Result>(
  work: Promise<Result>,
  transferOf: (result: Result) => ArrayBuffer[] = () => [],
): void {
  work.then(
    (result) => parentPort!.postMessage({ result } satisfies Outcome<Result>, transferOf(result)),
    (error) => parentPort!.postMessage({ error: toWire(error) } satisfies Outcome<unknown>),
  )
}
