import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { noNativeCalls } from './native-calls.js'

/** The caller of a file that `startPeer` started. */
export interface Host {
  readonly data: unknown
  post(message: object, transfer?: ArrayBuffer[]): void
  onMessage(listener: (message: unknown) => void): void
  /** Lets the thread or process end when its work is done. */
  close(): void
}

export function host(): Promise<Host> {
  return parentPort === null ? processHost() : Promise.resolve(threadHost(parentPort))
}

function threadHost(port: MessagePort): Host {
  return {
    data: workerData,
    post: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: (listener) => port.on('message', listener),
    close: () => port.close(),
  }
}

async function processHost(): Promise<Host> {
  // The caller has ended, perhaps in the middle of everything.
  process.once('disconnect', () => process.exit())
  const data = await new Promise<object>((resolve) => process.once('message', resolve))
  return {
    data: { ...data, calls: noNativeCalls() },
    // A caller that has ended wants no answer, and is no failure.
    post: (message) => void process.send?.(message, undefined, {}, () => {}),
    onMessage: (listener) => process.on('message', listener),
    close: () => process.disconnect(),
  }
}
