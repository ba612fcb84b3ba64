import type { EfficientDetError } from '../base/errors.js'
import { MAX_SHARD_FILE } from '../base/limits.js'
import { safeJson } from '../base/listing.js'
import type { BatchFormat } from '../options/batch.js'
import type { Entry } from './entry.js'
import { FORMATS, type OutputFile, type Scored } from './formats.js'
import { shardName } from './shard-name.js'
import type { Storage } from './storage.js'

/** A picture that cannot be scored. */
export interface Failed {
  readonly entry: Entry
  readonly error: EfficientDetError
}

/** The folder of errors, a file for each shard that has any. */
export const ERRORS = 'errors/'

/** Writes what came of a shard, its errors included, so that a crash at any moment loses neither. */
export class ShardWriter {
  readonly #storage: Storage
  readonly #format: (typeof FORMATS)[BatchFormat]
  readonly #retryErrors: boolean

  constructor(storage: Storage, format: BatchFormat, retryErrors: boolean) {
    this.#storage = storage
    this.#format = FORMATS[format]
    this.#retryErrors = retryErrors
  }

  /** Whether nothing is left to do of a shard. */
  async isDone(shard: number): Promise<boolean> {
    if (!(await this.hasOutput(shard))) return false
    return !this.#retryErrors || !(await this.#storage.has(errorsName(shard)))
  }

  hasOutput(shard: number): Promise<boolean> {
    return this.#storage.has(this.#format.doneName(shard))
  }

  /** Counts the shards that have their output. */
  async countDone(): Promise<number> {
    const first = this.#format.doneName(0)
    let done = 0
    for await (const name of this.#storage.list(first.slice(0, first.lastIndexOf('/') + 1))) {
      const shard = Number(/part-(\d{5,})\./.exec(name)?.[1])
      if (this.#format.doneName(shard) === name) done++
    }
    return done
  }

  async countErrors(shard: number): Promise<number> {
    const bytes = await this.#storage.read(errorsName(shard), MAX_SHARD_FILE)
    return bytes === null ? 0 : Buffer.from(bytes).toString().split('\n').length - 1
  }

  async write(shard: number, scored: readonly Scored[], failed: readonly Failed[]): Promise<void> {
    const files = await this.#format.encode(shard, scored)
    const errors = failed.map(({ entry: { uri, id }, error: { code, message } }) =>
      safeJson({ uri, id, code, message }),
    )
    const name = errorsName(shard)
    const bytes = Buffer.from(errors.map((line) => `${line}\n`).join(''))
    if (!this.#retryErrors) {
      // The last of the files says that all is there.
      if (errors.length > 0) await this.#storage.write(name, bytes)
      for (const file of files) await this.#create(file)
      return
    }
    // The errors of before stay until their pictures are there.
    for (const file of files) await this.#storage.write(file.name, file.bytes)
    if (errors.length > 0) await this.#storage.write(name, bytes)
    else await this.#storage.remove(name)
  }

  /** Another's file of this name has the same content. */
  async #create({ name, bytes }: OutputFile): Promise<void> {
    await this.#storage.create(name, bytes)
  }
}

function errorsName(shard: number): string {
  return shardName(ERRORS, shard, '.jsonl')
}
