import { parentPort } from 'node:worker_threads'
import { toWire, type WireError } from './wire-error.js'

export type Outcome<Result> = { readonly result: Result } | { readonly error: WireError }

/** What a job comes to, whether it succeeds or fails. */
export function outcomeOf<Result>(work: Promise<Result>): Promise<Outcome<Result>> {
  return work.then(
    (result) => ({ result }),
    (error) => ({ error: toWire(error) }),
  )
}

/**
 * Posts what a job comes to, from the thread that does it.
 *
 * @param transferOf buffers of the result that move to the other thread instead of being copied
 */
export function postOutcome<Result>(
  work: Promise<Result>,
  transferOf: (result: Result) => ArrayBuffer[] = () => [],
): void {
  outcomeOf(work).then((outcome) =>
    parentPort!.postMessage(outcome, 'result' in outcome ? transferOf(outcome.result) : []),
  )
}
