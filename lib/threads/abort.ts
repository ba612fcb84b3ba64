import { withResolvers } from './with-resolvers.js'

interface Shared {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const sharedOf = new WeakMap<AbortSignal, Shared>()

/**
 * Calls back when the signal aborts. All calls that wait for one signal share one listener on it: Node takes more
 * than ten for a leak and prints a warning.
 *
 * @returns takes the callback away again, which every caller must do when it has settled
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  const { callbacks, listener } = sharedOf.get(signal) ?? share(signal)
  if (callbacks.size === 0) signal.addEventListener('abort', listener)
  callbacks.add(callback)
  return () => {
    callbacks.delete(callback)
    if (callbacks.size === 0) signal.removeEventListener('abort', listener)
  }
}

function share(signal: AbortSignal): Shared {
  const callbacks = new Set<() => void>()
  const listener = () => {
    for (const callback of [...callbacks]) callback()
  }
  const shared = { callbacks, listener }
  sharedOf.set(signal, shared)
  return shared
}

/** Waits for something, but no longer than until the signal aborts. @throws what it throws; the signal's reason */
export async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = withResolvers<never>()
  const stopListening = onAbort(signal, () => reject(signal.reason))
  try {
    return await Promise.race([promise, aborted])
  } finally {
    stopListening()
  }
}
