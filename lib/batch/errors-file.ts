import { MAX_SHARD_FILE } from '../base/limits.js'
import { ERRORS, type ShardWriter } from './shard-writer.js'
import type { Storage } from './storage.js'

/** The errors of all shards, once these are done. */
const ALL = 'errors.jsonl'

/** Bytes that are put together; more stay in a file for each shard. */
const MAX_BYTES = 2 ** 28

/**
 * Puts the errors of all shards into one file, if all shards are done: the machine that ends last does.
 *
 * @returns whether they are
 */
export async function mergeErrors(storage: Storage, shards: number, writer: ShardWriter): Promise<boolean> {
  if ((await writer.countDone()) < shards) return false
  const parts: Uint8Array[] = []
  let size = 0
  for await (const name of storage.list(ERRORS)) {
    const bytes = await storage.read(name, MAX_SHARD_FILE)
    if (bytes === null) continue
    size += bytes.length
    if (size > MAX_BYTES) return true
    parts.push(bytes)
  }
  if (size > 0) await storage.write(ALL, Buffer.concat(parts))
  else await storage.remove(ALL)
  return true
}
