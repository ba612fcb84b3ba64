import { createHash } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EfficientDetError } from '../base/errors.js'
import { isRecord } from '../models/guards.js'
import { onAbort } from '../threads/abort.js'
import { withResolvers } from '../threads/with-resolvers.js'

/** What the builder tells those who wait for it. */
export interface KeyedProgress {
  /** Key of the engine that is being built. */
  readonly key: string
  readonly fraction: number
  readonly phase: string
}

export interface BuildLock {
  /** Tells those who wait. */
  emit(news: KeyedProgress): void
  release(): Promise<void>
}

/**
 * Lets one builder of engines into a folder at a time, among all threads and processes of a machine. Two at once would
 * compete for memory, and each disturb what the other measures.
 *
 * The lock is a listening socket in Linux's abstract namespace: the kernel allows one for a name, and takes it back
 * when its owner ends, however that ends. A lock file (proper-lockfile) outlives a killed owner until its time stamp
 * is old, and cannot tell progress; those who wait here are connected to the owner, hear of its progress, and of its
 * end at once. Containers and machines that share a folder do not see each other's locks: they may build an engine
 * twice, and the second replaces the first.
 *
 * @param onProgress called while another one builds
 * @throws the signal's reason; what `onProgress` throws
 */
export async function lockBuilds(
  folder: string,
  signal: AbortSignal | undefined,
  onProgress: (news: KeyedProgress) => void,
): Promise<BuildLock> {
  const path = `\0efficientdet-trt-${createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 32)}`
  for (;;) {
    signal?.throwIfAborted()
    const lock = await tryLock(path)
    if (lock !== null) return lock
    await follow(path, signal, onProgress)
    // All who waited try at once now; who comes late finds a listener again.
    await sleep(Math.random() * 20)
  }
}

async function tryLock(path: string): Promise<BuildLock | null> {
  const waiters = new Set<Socket>()
  let last = ''
  const server = await listen(path, (socket) => {
    waiters.add(socket)
    // One that has ended is no failure of the builder's.
    socket.on('error', () => {})
    socket.on('close', () => waiters.delete(socket))
    socket.write(last)
  })
  if (server === null) return null
  return {
    emit(news) {
      last = `${JSON.stringify(news)}\n`
      for (const socket of waiters) socket.write(last)
    },
    release() {
      const { promise, resolve } = withResolvers<void>()
      server.close(() => resolve())
      for (const socket of waiters) socket.destroy()
      return promise
    },
  }
}

/** The listening socket, or null if somebody else has it. */
function listen(path: string, onConnection: (socket: Socket) => void): Promise<Server | null> {
  const { promise, resolve, reject } = withResolvers<Server | null>()
  const server = createServer(onConnection)
  server.once('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EADDRINUSE') resolve(null)
    else reject(new EfficientDetError('ERR_OUTPUT', `Builds cannot be locked (${cause.message}).`, { cause }))
  })
  server.listen({ path }, () => resolve(server))
  return promise
}

/** More than any news takes, in UTF-16 units. */
const LONGEST_LINE = 10_000

/**
 * Hears what the builder tells until it ends. Names in the abstract namespace have no permissions: whoever listens there
 * may be a stranger, who is believed no more than that somebody builds.
 */
async function follow(
  path: string,
  signal: AbortSignal | undefined,
  onProgress: (news: KeyedProgress) => void,
): Promise<void> {
  // It may have aborted while the lock was tried.
  signal?.throwIfAborted()
  const socket = connect({ path })
  const { promise, resolve, reject } = withResolvers<void>()
  // One that ends just now refuses or resets the connection.
  socket.on('error', () => {})
  socket.on('close', () => resolve())
  let unread = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    // A killed builder's last line may have no end.
    const lines = (unread + text).split('\n')
    unread = lines.pop()!.slice(0, LONGEST_LINE)
    try {
      for (const news of lines.map(progressFrom)) if (news !== null) onProgress(news)
    } catch (error) {
      reject(error)
    }
  })
  const stopListening = onAbort(signal, () => reject(signal!.reason))
  try {
    await promise
  } finally {
    stopListening()
    socket.destroy()
  }
}

/** Null for a line that is no news. */
function progressFrom(line: string): KeyedProgress | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  if (!isRecord(value)) return null
  const { key, fraction, phase } = value
  if (typeof key !== 'string' || typeof phase !== 'string' || typeof fraction !== 'number') return null
  // Phases are shown on terminals, which control characters steer.
  return fraction >= 0 && fraction <= 1 && !/\p{Cc}/u.test(phase) ? { key, fraction, phase } : null
}
