import { EfficientDetError } from '../base/errors.js'
import { MAX_SHARD_FILE } from '../base/limits.js'
import { readTotals } from './manifest.js'
import { openStorage } from './open-storage.js'
import { readRecord } from './record.js'
import { ERRORS, ShardWriter } from './shard-writer.js'

/** How far a run is, by what lies in its destination. */
export interface ScoreStatus {
  readonly model: string
  readonly format: string
  readonly shardSize: number
  /** Shards that are done, and all; null while pictures are still listed. */
  readonly done: number
  readonly shards: number | null
  /** Pictures in all; null likewise. */
  readonly pictures: number | null
  /** Pictures that cannot be scored, so far. */
  readonly errors: number
}

/**
 * Looks at a run from outside, also while machines work on it.
 *
 * @param out as `score` had it
 * @throws EfficientDetError ERR_RUN where there is none
 */
export async function scoreStatus(out: string): Promise<ScoreStatus> {
  const storage = await openStorage(out)
  const record = await readRecord(storage)
  if (record === null) throw new EfficientDetError('ERR_RUN', `${storage.title} holds no run.`)
  const totals = await readTotals(storage)
  const writer = new ShardWriter(storage, record.format, false)
  const done = await writer.countDone()
  let errors = 0
  for await (const name of storage.list(ERRORS)) {
    const bytes = await storage.read(name, MAX_SHARD_FILE)
    errors += bytes === null ? 0 : Buffer.from(bytes).toString().split('\n').length - 1
  }
  const { model, format, shardSize } = record
  return {
    model,
    format,
    shardSize,
    done,
    shards: totals?.shards ?? null,
    pictures: totals?.pictures ?? null,
    errors,
  }
}
