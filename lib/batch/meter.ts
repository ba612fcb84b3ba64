import type { ScoreProgress } from '../options/batch.js'
import type { Manifest } from './manifest.js'

/** Milliseconds between reports while a shard is scored. */
const INTERVAL = 200

/** Counts pictures and tells how far a run is. */
export class Meter {
  readonly #manifest: Manifest
  readonly #onProgress: (progress: ScoreProgress) => void
  readonly #begun = performance.now()
  #told = 0
  #scored = 0
  #skipped = 0
  #errors = 0

  constructor(manifest: Manifest, onProgress: (progress: ScoreProgress) => void) {
    this.#manifest = manifest
    this.#onProgress = onProgress
  }

  get totals() {
    return { pictures: this.#scored + this.#skipped, errors: this.#errors, skipped: this.#skipped }
  }

  skip(pictures: number, errors: number): void {
    this.#skipped += pictures
    this.#errors += errors
    this.#tellNowAndThen()
  }

  count(hasFailed: boolean): void {
    this.#scored++
    if (hasFailed) this.#errors++
    this.#tellNowAndThen()
  }

  /** A shard that another process has scored. */
  countShard(pictures: number, errors: number): void {
    this.#scored += pictures
    this.#errors += errors
    this.#tell()
  }

  /** A shard is written. */
  commit(): void {
    this.#tell()
  }

  #tellNowAndThen(): void {
    if (performance.now() - this.#told >= INTERVAL) this.#tell()
  }

  #tell(): void {
    const now = performance.now()
    const { ours: total, isComplete: isListed } = this.#manifest
    const { pictures, errors } = this.totals
    this.#told = now
    const rate = this.#scored / ((now - this.#begun) / 1000)
    const eta = isListed && rate > 0 ? (total - pictures) / rate : null
    this.#onProgress({ pictures, total, isListed, errors, rate, eta })
  }
}
