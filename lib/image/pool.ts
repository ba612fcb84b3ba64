import { Semaphore } from '../threads/semaphore.js'

/**
 * Bounds what libuv's threads read and decode: calls whose signal aborts go at once, but libvips finishes what it has
 * begun, and that must not pile up.
 */
const threads = new Semaphore(Number(process.env.UV_THREADPOOL_SIZE) || 4)

/** Runs work of libuv's threads when one is free. @throws the signal's reason where it aborts before */
export async function onThread<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  await threads.acquire(1, signal)
  try {
    return await work()
  } finally {
    threads.release()
  }
}
