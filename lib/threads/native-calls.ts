import type { EventEmitter } from 'node:events'
import type { Worker } from 'node:worker_threads'

/**
 * Keeps threads from being ended inside native code, in which case a binding throws where nobody can catch, and the
 * process aborts.
 *
 * So do bindings of node-addon-api without NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS, as onnxruntime's.
 */
export type NativeCalls = Int32Array

const BUSY = 1
const ENDING = 2

/** No native call is a reason to keep a process from its end for longer. In milliseconds. */
const LONGEST_WAIT = 60_000

/** For a thread that has yet to be started, which gets it in its data. */
export function noNativeCalls(): NativeCalls {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** In the thread: makes a native call, unless the thread shall end; then it does so. Calls must not overlap. */
export async function nativeCall<T>(calls: NativeCalls, call: () => Promise<T>): Promise<T> {
  if (Atomics.compareExchange(calls, 0, 0, BUSY) !== 0) process.exit()
  try {
    return await call()
  } finally {
    const before = Atomics.and(calls, 0, ENDING)
    Atomics.notify(calls, 0)
    if (before & ENDING) process.exit()
  }
}

const living = new Set<NativeCalls>()

/** Lets the end of this process or thread wait for a native call of another thread. */
export function outliveNativeCalls(worker: Worker, calls: NativeCalls): void {
  if (living.size === 0) process.on('exit', endAll)
  living.add(calls)
  worker.once('exit', () => {
    living.delete(calls)
    // A thread that ran out of memory ends without having said that its call is over.
    Atomics.and(calls, 0, ENDING)
    if (living.size === 0) process.off('exit', endAll)
  })
}

function endAll(): void {
  for (const calls of living) {
    if (Atomics.or(calls, 0, ENDING) & BUSY) Atomics.wait(calls, 0, BUSY | ENDING, LONGEST_WAIT)
  }
}

interface Ending extends EventEmitter {
  terminate(): Promise<unknown>
}

/** Ends a thread that `outliveNativeCalls` knows, after the native call that it may be in. */
export async function endThread(worker: Ending, calls: NativeCalls): Promise<void> {
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  worker.on('error', () => {})
  if ((Atomics.or(calls, 0, ENDING) & BUSY) === 0) await worker.terminate()
  else await exited
}
