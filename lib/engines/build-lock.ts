import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EfficientDetError } from '../base/errors.js'
import { isRecord } from '../models/guards.js'
import { onAbort, untilAborted } from '../threads/abort.js'
import { withResolvers } from '../threads/with-resolvers.js'
import { lockFolder } from './lock-folder.js'
import { entriesOf, type Queue, type Ticket, takeTicket } from './lock-ticket.js'

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

/** Milliseconds without a line from a builder, after which it is taken for hung: it sends one every five seconds. */
const LONGEST_SILENCE = 60_000

/**
 * Lets one builder of engines into a folder at a time, of all that a user runs on a machine: two would compete for
 * memory and disturb measurements.
 *
 * Those who want the lock queue with listening sockets in the user's own folder: the kernel closes them however their
 * owner ends, so a queue needs no times.
 *
 * A lock file (proper-lockfile) outlives a killed owner and cannot tell progress; those who wait here are connected
 * to the builder and hear of its progress and end.
 *
 * @param onProgress called while another one builds
 * @param silence milliseconds without a word from a builder, after which it is not waited for
 * @throws the signal's reason; what `onProgress` throws; EfficientDetError ERR_OUTPUT
 */
export async function lockBuilds(
  folder: string,
  signal: AbortSignal | undefined,
  onProgress: (news: KeyedProgress) => void,
  silence: number = LONGEST_SILENCE,
): Promise<BuildLock> {
  signal?.throwIfAborted()
  const queue = await queueOf(folder)
  if (queue === null) return NO_LOCK
  const ticket = await takeTicket(queue).catch(failed)
  try {
    await waitForTurn(queue, ticket, { signal, onProgress, silence })
  } catch (error) {
    await ticket.release()
    throw error
  }
  return { emit: (news) => ticket.emit(`${JSON.stringify(news)}\n`), release: () => ticket.release() }
}

/** The queue for a folder of engines; null where this user has no folder of its own for it. */
export async function queueOf(folder: string): Promise<Queue | null> {
  const place = await lockFolder()
  const name = createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 16)
  return place === null ? null : { folder: place, name }
}

/** Who has no place to queue up builds at once: nobody should be able to keep a user from it. */
const NO_LOCK: BuildLock = { emit: () => {}, release: async () => {} }

function failed(cause: Error): never {
  throw new EfficientDetError('ERR_OUTPUT', `Builds cannot be locked (${cause.message}).`, { cause })
}

interface Waiting {
  readonly signal: AbortSignal | undefined
  readonly onProgress: (news: KeyedProgress) => void
  readonly silence: number
}

/** Milliseconds before one that has hung up is asked again, the first time and at most. */
const RETRY = { first: 5, most: 1000 } as const

/** Waits until none is before the ticket. Those that are silent, or talk too much, are passed over. */
async function waitForTurn(queue: Queue, ticket: Ticket, waiting: Waiting): Promise<void> {
  const passedOver = new Set<string>()
  let asked: string | null = null
  let since = 0
  let retry: number = RETRY.first
  for (;;) {
    waiting.signal?.throwIfAborted()
    const before = (await entriesOf(queue).catch(failed)).find(
      ({ file, number }) =>
        file !== ticket.file && !passedOver.has(file) && (number === null || file < ticket.file),
    )
    if (before === undefined) return
    const { file, number } = before
    retry = file === asked ? Math.min(2 * retry, RETRY.most) : RETRY.first
    if (file !== asked) since = performance.now()
    asked = file
    // Who chooses may come to be behind, and must not be followed to its end.
    const end = number === null ? await choosing(file, waiting.silence, since) : await follow(file, waiting)
    if (end === 'unheard') passedOver.add(file)
    else if (end === 'ended') await untilAborted(sleep(retry), waiting.signal)
    // It has ended; or has yet to listen, and then it chooses again.
    else await rm(file, { force: true }).catch(failed)
  }
}

/** How following somebody ended: nobody listens there, it hung up, or it was silent or talked too much. */
type End = 'absent' | 'ended' | 'unheard'

/** Asks whether somebody still chooses its number, for which there is as much time as for a word. */
function choosing(file: string, silence: number, since: number): Promise<End> {
  const { promise, resolve } = withResolvers<End>()
  const socket = connect({ path: file }, () => {
    resolve(performance.now() - since > silence ? 'unheard' : 'ended')
    socket.destroy()
  })
  socket.on('error', (error) => resolve(endBy(error)))
  return promise
}

function endBy({ code }: NodeJS.ErrnoException): End {
  return code === 'ECONNREFUSED' || code === 'ENOENT' ? 'absent' : 'ended'
}

/** More than any news takes, in UTF-16 units. */
const LONGEST_LINE = 10_000

/** Bytes that are heard at once, and in each second from then on. */
const MOST_BYTES = 1_000_000

/** Hears what the builder tells until it ends. @throws the signal's reason; what `onProgress` throws */
async function follow(path: string, { signal, onProgress, silence }: Waiting): Promise<End> {
  // It may have aborted while the queue was read.
  signal?.throwIfAborted()
  const socket = connect({ path })
  const begun = performance.now()
  const { promise, resolve, reject } = withResolvers<End>()
  socket.on('error', (error) => resolve(endBy(error)))
  socket.on('close', () => resolve('ended'))
  socket.setTimeout(silence, () => resolve('unheard'))
  let unread = ''
  let heard = 0
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text.length
    if (heard > MOST_BYTES * (1 + (performance.now() - begun) / 1000)) return resolve('unheard')
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
    return await promise
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
