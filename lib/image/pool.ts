import { availableProcessors } from '../base/available-processors.js'
import { MAX_ENCODED_BYTES } from '../base/limits.js'
import { Semaphore } from '../threads/semaphore.js'

/**
 * Bounds what libuv's threads read and decode: aborted calls go at once, but libvips finishes what it has begun,
 * which must not pile up.
 *
 * One thread is left to the program, whose files and names of hosts would wait for slow pictures.
 *
 * More threads than processors would take turns with each other and with the event loop.
 */
const threads = new Semaphore(
  Math.max(
    1,
    Math.min((Number(process.env.UV_THREADPOOL_SIZE) || 4) - 1, Math.max(2, availableProcessors())),
  ),
)

/** Bytes of files that were read to be decoded. */
export const encodedBytes = new Semaphore(MAX_ENCODED_BYTES)

/** Runs work of libuv's threads when one is free. @throws the signal's reason where it aborts before */
export async function onThread<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  await threads.acquire(1, signal)
  try {
    return await work()
  } finally {
    threads.release()
  }
}
