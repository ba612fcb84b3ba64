import { createHash } from 'node:crypto'
import { EfficientDetError } from '../base/errors.js'
import { MAX_RUN_RECORD, MAX_SHARD_FILE } from '../base/limits.js'
import type { ShardChoice } from '../options/batch.js'
import { withResolvers } from '../threads/with-resolvers.js'
import { type Entry, entryOfJson } from './entry.js'
import { shardName } from './shard-name.js'
import type { Storage } from './storage.js'

/** What a complete manifest has. */
export interface ManifestTotals {
  readonly shards: number
  readonly pictures: number
  /** SHA-256 of all lines. */
  readonly sha256: string
}

const TOTALS = 'manifest.json'

/** @returns null while the listing has not ended */
export async function readTotals(storage: Storage): Promise<ManifestTotals | null> {
  const bytes = await storage.read(TOTALS, MAX_RUN_RECORD)
  return bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as ManifestTotals)
}

/** The pictures of a shard. */
export async function readShard(storage: Storage, shard: number): Promise<Entry[]> {
  const name = shardName('manifest/', shard, '.jsonl')
  const bytes = await storage.read(name, MAX_SHARD_FILE)
  if (bytes === null)
    throw new EfficientDetError('ERR_RUN', `${storage.title} has no ${name}. Start the run again.`)
  const lines = Buffer.from(bytes).toString().split('\n')
  return lines.filter((line) => line !== '').map(entryOfJson)
}

/**
 * Cuts pictures into numbered shards, each of which is a file of the run before anything else is made of it.
 *
 * Where a file is there already, it must be the same: a list that has changed is refused.
 */
export class Manifest {
  readonly #storage: Storage
  readonly #shardSize: number
  /** The part of the shards that this machine does. */
  readonly part: ShardChoice
  /** Shards that are known so far, and pictures of this machine's among them. */
  shards = 0
  ours = 0
  isComplete = false
  #lastSize = 0
  #error: unknown = null
  #news = withResolvers<void>()

  constructor(storage: Storage, shardSize: number, part: ShardChoice) {
    this.#storage = storage
    this.#shardSize = shardSize
    this.part = part
  }

  /** Lists ahead of whoever works on the shards, who hears of its errors. Of other machines' shards nothing is kept. */
  async write(entries: AsyncIterable<Entry>): Promise<void> {
    try {
      const hash = createHash('sha256')
      let pictures = 0
      let lines: string[] = []
      const cut = async () => {
        const text = lines.join('')
        hash.update(text)
        pictures += lines.length
        this.#lastSize = lines.length
        if (this.shards % this.part.count === this.part.index) {
          await this.#keep(this.shards, text)
          this.ours += lines.length
        }
        this.shards++
        lines = []
        this.#tell()
      }
      for await (const entry of entries) {
        lines.push(`${JSON.stringify(entry)}\n`)
        if (lines.length === this.#shardSize) await cut()
      }
      if (lines.length > 0) await cut()
      await this.#keepTotals({ shards: this.shards, pictures, sha256: hash.digest('hex') })
      this.isComplete = true
    } catch (error) {
      this.#error = error
    }
    this.#tell()
  }

  /** Pictures of a shard that is listed: as many as any but the last has. */
  sizeOf(shard: number): number {
    return shard === this.shards - 1 ? this.#lastSize : this.#shardSize
  }

  /** Settles when a shard is listed (true), or there is none of this number (false). @throws what the listing threw */
  async isListed(shard: number): Promise<boolean> {
    while (shard >= this.shards && !this.isComplete && this.#error === null) await this.#news.promise
    if (this.#error !== null) throw this.#error
    return shard < this.shards
  }

  #tell(): void {
    this.#news.resolve()
    this.#news = withResolvers()
  }

  async #keep(shard: number, text: string): Promise<void> {
    const name = shardName('manifest/', shard, '.jsonl')
    const bytes = Buffer.from(text)
    const before = await this.#storage.read(name, MAX_SHARD_FILE)
    if (before === null) {
      if (await this.#storage.create(name, bytes)) return
      return this.#keep(shard, text)
    }
    if (!bytes.equals(before)) throw this.#changed(shard, Buffer.from(before).toString(), text)
  }

  async #keepTotals(totals: ManifestTotals): Promise<void> {
    const before = await readTotals(this.#storage)
    if (before === null) {
      if (!(await this.#storage.create(TOTALS, Buffer.from(JSON.stringify(totals)))))
        await this.#keepTotals(totals)
      return
    }
    if (before.sha256 === totals.sha256) return
    throw new EfficientDetError(
      'ERR_RUN',
      `The sources list other pictures than when the run in ${this.#storage.title} began (${totals.pictures}, then ${before.pictures}). Score them into another folder, or restore them.`,
    )
  }

  #changed(shard: number, before: string, now: string): EfficientDetError {
    const [was, is] = [before, now].map((text) => text.split('\n'))
    const at = was.findIndex((line, i) => line !== is[i])
    return new EfficientDetError(
      'ERR_RUN',
      `The sources list other pictures than when the run in ${this.#storage.title} began: number ${at + 1} of shard ${shard} is ${is[at] || 'missing'}, and was ${was[at] || 'none'}. Score them into another folder, or restore them.`,
    )
  }
}
