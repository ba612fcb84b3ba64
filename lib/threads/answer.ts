import { parentPort } from 'node:worker_threads'
import { toWire, type WireError } from './wire-error.js'

export type Answer<Result> = { readonly result: Result } | { readonly error: WireError }

/** Posts what a job comes to, from the thread that does it. */
export function answer(work: Promise<unknown>): void {
  work.then(
    (result) => parentPort!.postMessage({ result } satisfies Answer<unknown>),
    (error) => parentPort!.postMessage({ error: toWire(error) } satisfies Answer<unknown>),
  )
}
