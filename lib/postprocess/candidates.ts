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
 * Selects the best class scores, exactly: all above their class's threshold, sorted by score, ties by index (lower
 * anchor first, then lower class), cut at the limit.
 *
 * @param logits A×classes, before the sigmoid
 * @param scoreThresholds of each class, 0…1: its scores must be above it. 2 for a class that is not wanted
 * @param find what looks through the logits, of which there are millions
 * @throws EfficientDetError ERR_INFERENCE for NaN or infinity anywhere
 */
export function selectCandidates(
  logits: Float32Array,
  scoreThresholds: Float32Array,
  limit: number,
  find: LoudFinder = findLoud,
): Candidates {
  const pool = new Pool(logits, scoreThresholds, limit)
  const found = new Uint32Array(AT_A_TIME)
  let count = 0
  let from = 0
  do {
    count = find(logits, from, pool.least, found)
    for (const i of found.subarray(0, count)) {
      if (!Number.isFinite(logits[i])) throw notFinite('class_logits', logits, i)
      pool.add(i)
      from = i + 1
    }
  } while (count === AT_A_TIME)
  return pool.best()
}

const AT_A_TIME = 512

/**
 * Finds logits that are above one or not finite, from a position on: writes their positions, ascending, until there is
 * no more room, and gives their number.
 */
export type LoudFinder = (logits: Float32Array, from: number, least: number, found: Uint32Array) => number

/** The reference, and what is used without the addon. */
export const findLoud: LoudFinder = (logits, from, least, found) => {
  let count = 0
  for (let i = nextLoud(logits, from, least); i < logits.length; i = nextLoud(logits, i + 1, least)) {
    found[count++] = i
    if (count === found.length) break
  }
  return count
}

/** The next position whose logit is above one or not finite, or the length if there is none. */
function nextLoud(logits: Float32Array, from: number, least: number): number {
  // Mostly none of sixteen is: of millions of values that takes half the time, and nothing else in postprocessing takes
  // any.
  const lastBlock = logits.length - 16
  let i = from
  while (
    i <= lastBlock &&
    areQuiet(logits, i, least) &&
    areQuiet(logits, i + 4, least) &&
    areQuiet(logits, i + 8, least) &&
    areQuiet(logits, i + 12, least)
  ) {
    i += 16
  }
  while (i < logits.length && logits[i] <= least && logits[i] > Number.NEGATIVE_INFINITY) i++
  return i
}

/** Whether none of four is. No comparison is true of NaN, and float64 holds the sum of what is finite. */
function areQuiet(logits: Float32Array, at: number, least: number): boolean {
  const a = logits[at]
  const b = logits[at + 1]
  const c = logits[at + 2]
  const d = logits[at + 3]
  return a <= least && b <= least && c <= least && d <= least && a + b + (c + d) > Number.NEGATIVE_INFINITY
}

/** How many times the limit are collected before the best are chosen: it bounds memory, and time for low thresholds. */
const ROOM = 4

/** The candidates among what was looked at, or the best of them. */
class Pool {
  /** No logit that is not above it is a candidate. */
  least: number
  readonly #logits: Float32Array
  /** Logit thresholds of the classes. The sigmoid rises strictly, so only the survivors' sigmoids are computed. */
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

  /** Adds the logit at a position after all others, if it is above its class's threshold. */
  add(index: number): void {
    if (this.#logits[index] <= this.#thresholds[index % this.#thresholds.length]) return
    this.#found.push(index)
    if (this.#found.length >= ROOM * this.#limit) this.#cut()
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

/** The greatest finite float32. */
const MOST = (2 - 2 ** -23) * 2 ** 127

/** The logit above which a score is above a threshold: finite, so that infinity is above it. */
function logitOf(threshold: number): number {
  return threshold >= 1 ? MOST : Math.log(threshold / (1 - threshold))
}
