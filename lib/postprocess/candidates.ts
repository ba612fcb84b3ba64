import { notFinite } from './finite.js'

/** Class scores that passed their thresholds, best first. */
export interface Candidates {
  /** anchor × classes + class of each. */
  readonly indices: Uint32Array
  /** Logits in the same order. */
  readonly logits: Float32Array
  /** Whether there were more than the limit allowed. */
  readonly capped: boolean
}

/**
 * Selects the best class scores, exactly: all above their class's threshold are found, sorted by score, ties by their
 * index (lower anchor first, then lower class), and cut at the limit.
 *
 * @param logits A×classes, before the sigmoid
 * @param scoreThresholds of each class, 0…1: its scores must be above it. 2 for a class that is not wanted
 * @throws EfficientDetError ERR_INFERENCE for NaN or infinity anywhere
 */
export function selectCandidates(
  logits: Float32Array,
  scoreThresholds: Float32Array,
  limit: number,
): Candidates {
  const pool = new Pool(logits, scoreThresholds, limit)
  let { least } = pool
  // Float64 holds the sum of any number of float32 values, so it is finite if they all are.
  let sum = 0
  const whole = logits.length - (logits.length % 4)
  // Four at a time, of which mostly none is a candidate: of millions of values that takes half the time, and nothing
  // else in postprocessing takes any.
  for (let i = 0; i < whole; i += 4) {
    const a = logits[i]
    const b = logits[i + 1]
    const c = logits[i + 2]
    const d = logits[i + 3]
    sum += a + b + (c + d)
    if (a <= least && b <= least && c <= least && d <= least) continue
    least = pool.take(i, i + 4)
  }
  pool.take(whole, logits.length)
  for (let i = whole; i < logits.length; i++) sum += logits[i]
  if (!Number.isFinite(sum)) throw notFinite('class_logits', logits)
  return pool.best()
}

/** How many times the limit are collected before the best are chosen: it bounds memory, and time for low thresholds. */
const ROOM = 4

/** The candidates among what was looked at so far, or the best of them. */
class Pool {
  /** No logit that is not above it is a candidate. */
  least: number
  readonly #logits: Float32Array
  /** Of each class. The sigmoid rises strictly, so logits are compared and only the survivors' sigmoids computed. */
  readonly #thresholds: Float64Array
  readonly #limit: number
  #found: number[] = []
  #capped = false

  constructor(logits: Float32Array, scoreThresholds: Float32Array, limit: number) {
    this.#logits = logits
    this.#thresholds = Float64Array.from(scoreThresholds, logitOf)
    this.#limit = limit
    this.least = this.#thresholds.reduce((least, threshold) => Math.min(least, threshold))
  }

  /** Takes the candidates from one position to before another, which follow all that were looked at. */
  take(from: number, to: number): number {
    for (let i = from; i < to; i++) {
      const logit = this.#logits[i]
      if (logit > this.least && logit > this.#thresholds[i % this.#thresholds.length]) this.#found.push(i)
    }
    if (this.#found.length >= ROOM * this.#limit) this.#cut()
    return this.least
  }

  best(): Candidates {
    this.#cut()
    const indices = this.#found.sort((a, b) => this.#logits[b] - this.#logits[a] || a - b)
    return {
      indices: Uint32Array.from(indices),
      logits: Float32Array.from(indices, (index) => this.#logits[index]),
      capped: this.#capped,
    }
  }

  /** Leaves the best only. Of what follows, better ones matter alone: equal ones would come after these. */
  #cut(): void {
    if (this.#found.length <= this.#limit) return
    const logits = this.#logits
    const ascending = Float32Array.from(this.#found, (index) => logits[index]).sort()
    this.least = ascending[ascending.length - this.#limit]
    const above = this.#found.filter((index) => logits[index] > this.least)
    const equal = this.#found.filter((index) => logits[index] === this.least)
    this.#found = [...above, ...equal.slice(0, this.#limit - above.length)]
    this.#capped = true
  }
}

/** The logit above which a score is above a threshold. */
function logitOf(threshold: number): number {
  return threshold >= 1 ? Number.POSITIVE_INFINITY : Math.log(threshold / (1 - threshold))
}
