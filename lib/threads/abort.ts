interface Shared {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const sharedOf = new WeakMap<AbortSignal, Shared>()

/**
 * Calls back when the signal aborts. Calls for one signal share a listener: Node takes more than ten for a leak and
 * prints a warning.
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

/**
 * Waits for a promise until a signal aborts, whose reason it then throws. Unlike a race with a promise of the signal,
 * it leaves nothing on it.
 */
export function untilAborted<T>(
  promise: Promise<T>,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<T> {
  const given = signals.filter((signal) => signal !== undefined)
  if (given.length === 0) return promise
  return new Promise<T>((resolve, reject) => {
    const stopListening = given.map((signal) => onAbort(signal, () => settle(() => reject(signal.reason))))
    const settle = (end: () => void) => {
      for (const stop of stopListening) stop()
      end()
    }
    promise.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    )
    const aborted = given.find((signal) => signal.aborted)
    if (aborted !== undefined) settle(() => reject(aborted.reason))
  })
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
