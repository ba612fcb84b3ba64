import type { Duplex } from 'node:stream'

interface Shared {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const sharedOf = new WeakMap<Duplex, Shared>()

/**
 * Calls back when a stream fails or closes. Calls for one stream share a listener, for Node takes more than ten for a
 * leak; meanwhile, errors are heard.
 *
 * @returns takes the callback away again, which every caller must do when it has settled
 */
export function onClose(stream: Duplex, callback: () => void): () => void {
  const { callbacks, listener } = sharedOf.get(stream) ?? share(stream)
  if (callbacks.size === 0) stream.on('close', listener).on('error', listener)
  callbacks.add(callback)
  return () => {
    callbacks.delete(callback)
    if (callbacks.size === 0) stream.off('close', listener).off('error', listener)
  }
}

function share(stream: Duplex): Shared {
  const callbacks = new Set<() => void>()
  const listener = () => {
    for (const callback of [...callbacks]) callback()
  }
  const shared = { callbacks, listener }
  sharedOf.set(stream, shared)
  return shared
}
