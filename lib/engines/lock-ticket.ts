import { randomBytes } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { withResolvers } from '../threads/with-resolvers.js'

/** Followers of one ticket; more are hung up on, and come again. */
const MAX_FOLLOWERS = 100

/** Bytes that a follower may leave unread; news come again. */
const MAX_UNREAD = 65_536

/** Milliseconds between two lines to followers, whether there is news or not. */
const HEARTBEAT = 5000

/** The queue of those who want one lock: sockets in a folder, whose names begin with the lock's. */
export interface Queue {
  readonly folder: string
  /** Letters and digits. */
  readonly name: string
}

/** A place in a queue: a listening socket with a number for its name. It is given up when its owner ends, however. */
export interface Ticket {
  readonly file: string
  /** Tells those who follow it. */
  emit(line: string): void
  /** Gives the place up, and never fails. */
  release(): Promise<void>
}

/**
 * Takes the place behind all in the queue. While it chooses a number, its socket's name says so and others wait (L.
 * Lamport's bakery algorithm, 1974).
 *
 * @throws the system's error
 */
export async function takeTicket(queue: Queue): Promise<Ticket> {
  for (;;) {
    const id = randomBytes(4).toString('hex')
    const choosing = pathOf(queue, `${CHOOSING}-${id}`)
    const followers = new Set<Socket>()
    let last = '\n'
    const server = await listen(choosing, (socket) => {
      followers.add(socket)
      // One that has ended is no failure of the owner's.
      socket.on('error', () => {})
      socket.on('close', () => followers.delete(socket))
      socket.write(last)
    })
    const tell = () => {
      for (const socket of followers) if (socket.writableLength < MAX_UNREAD) socket.write(last)
    }
    const heartbeat = setInterval(tell, HEARTBEAT).unref()
    const close = () => {
      clearInterval(heartbeat)
      const { promise, resolve } = withResolvers<void>()
      server.close(() => resolve())
      for (const socket of followers) socket.destroy()
      return promise
    }
    try {
      const numbers = (await entriesOf(queue)).flatMap(({ number }) => number ?? [])
      const number = 1 + Math.max(0, ...numbers)
      const file = pathOf(queue, `${String(number).padStart(DIGITS, '0')}-${id}`)
      await rename(choosing, file)
      return {
        file,
        emit(line) {
          last = line
          tell()
        },
        async release() {
          // First, so that who hears of the end does not find it.
          await rm(file, { force: true }).catch(() => {})
          await close()
        },
      }
    } catch (error) {
      await close()
      // Somebody took it for abandoned before it listened.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

const CHOOSING = 'new'
const DIGITS = 10

/** A place in the queue, whose owner may have ended. */
export interface Entry {
  readonly file: string
  /** Null while it is chosen. */
  readonly number: number | null
}

/** All places, in order; first those whose numbers are being chosen. @throws the system's error */
export async function entriesOf({ folder, name }: Queue): Promise<Entry[]> {
  // Twice, for a name that changes while a folder is read may be missed, and changes once.
  const files = new Set([...(await readdir(folder)), ...(await readdir(folder))])
  const entries = [...files].sort().flatMap((file) => {
    const match = /^([0-9a-z]+)-(new|\d{10})-[0-9a-f]{8}$/.exec(file)
    if (match?.[1] !== name) return []
    return { file: join(folder, file), number: match[2] === CHOOSING ? null : Number(match[2]) }
  })
  return [
    ...entries.filter(({ number }) => number === null),
    ...entries.filter(({ number }) => number !== null),
  ]
}

function pathOf({ folder, name }: Queue, rest: string): string {
  return join(folder, `${name}-${rest}`)
}

/** @throws the system's error */
function listen(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const { promise, resolve, reject } = withResolvers<Server>()
  const server = createServer(onConnection)
  server.maxConnections = MAX_FOLLOWERS
  // Also of a connection that could not be taken, which is no failure of ours.
  server.on('error', reject)
  // Not by the primary process, where this one belongs to a cluster.
  server.listen({ path, exclusive: true }, () => resolve(server))
  return promise
}
