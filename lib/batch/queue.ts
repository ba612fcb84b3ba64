import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { EfficientDetError } from '../base/errors.js'
import { redacted } from '../base/listing.js'
import { importPeer } from '../base/peer.js'
import { untilAborted } from '../threads/abort.js'

/** The name under which shards wait in Redis. */
export const QUEUE = 'efficientdet-score'

/** A shard that waits. One job is one shard: a billion pictures are a million jobs, some 800 MB of Redis. */
export interface ShardJob {
  /** Folder or prefix of the run. */
  readonly out: string
  readonly shard: number
  readonly retryErrors: boolean
}

/** Locks that are renewed, retries, stalled jobs that go back: BullMQ has them right, and runs on Redis alone. */
export function bullmq(): Promise<typeof import('bullmq')> {
  return importPeer('bullmq', () => import('bullmq'))
}

/** Milliseconds for which a server may take to answer at first. Later it may be away for as long as it likes. */
const PATIENCE = 10_000

/**
 * A connection that answers.
 *
 * @throws EfficientDetError ERR_RUN where the server does not, ERR_PACKAGE_FILE; the signal's reason
 */
export async function connect(url: string, signal: AbortSignal): Promise<Redis & Disposable> {
  const { Redis } = await importPeer('ioredis', () => import('ioredis'))
  const client = new Redis(url, { maxRetriesPerRequest: null })
  // It tries again by itself.
  client.on('error', () => {})
  const late = AbortSignal.timeout(PATIENCE)
  try {
    await untilAborted(client.ping(), signal, late)
  } catch (cause) {
    client.disconnect()
    if (cause !== late.reason) throw cause
    throw new EfficientDetError(
      'ERR_RUN',
      `${redacted(url)} does not answer. Start a Redis server there, version 6.2 or newer.`,
      { cause },
    )
  }
  return Object.assign(client, { [Symbol.dispose]: () => client.disconnect() })
}

/** Nothing is done twice, for what waits already is not put in again. */
export function jobId(out: string, shard: number): string {
  return `${createHash('sha256').update(out).digest('hex').slice(0, 16)}-${shard}`
}
