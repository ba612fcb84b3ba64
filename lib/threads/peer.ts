import { fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { endWithThread } from './children.js'
import { type NativeCalls, noNativeCalls, outliveNativeCalls } from './native-calls.js'
import { MAX_HEAP, startWorker } from './worker.js'

/** A thread or process that runs a file of ours, with the face of a worker thread. */
export interface Peer extends EventEmitter {
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void
  ref(): void
  unref(): void
  terminate(): Promise<unknown>
}

export interface Started {
  readonly peer: Peer
  /** Native calls of the peer; none that count where it is a process. */
  readonly calls: NativeCalls
}

/**
 * Starts a file that makes native calls in a thread. In a host that is a thread, it gets a process, at the cost of
 * copied messages.
 *
 * Such a host, and its threads with it, can be ended from outside in the middle of a native call (see `NativeCalls`).
 */
export function startPeer(url: URL, data: object): Started {
  const calls = noNativeCalls()
  if (!isMainThread) return { peer: startProcess(url, data), calls }
  const peer = startWorker(url, { ...data, calls })
  outliveNativeCalls(peer, calls)
  return { peer, calls }
}

function startProcess(url: URL, data: object): Peer {
  const child = fork(fileURLToPath(url), {
    execArgv: [`--max-old-space-size=${MAX_HEAP}`],
    serialization: 'advanced',
  })
  endWithThread(child)
  const peer = Object.assign(new EventEmitter(), {
    postMessage(message: object) {
      // Whoever waits for the answer hears of a process that has ended by its `exit`.
      if (child.connected) child.send(message, () => {})
    },
    ref() {
      child.ref()
      child.channel?.ref()
    },
    unref() {
      child.unref()
      child.channel?.unref()
    },
    async terminate() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await exited
    },
  })
  for (const event of ['message', 'error', 'exit']) {
    child.on(event, (...values: unknown[]) => peer.emit(event, ...values))
  }
  peer.postMessage(data)
  return peer
}
