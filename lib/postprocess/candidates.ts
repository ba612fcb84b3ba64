import { EfficientDetError } from '../errors.js'

/** Class scores that passed the threshold, best first. */
export interface Candidates {
  /** anchor × classes + class of each. */
  readonly indices: Uint32Array
  /** Logits in the same order. */
  readonly logits: Float32Array
  /** Whether there were more than the limit allowed. */
  readonly capped: boolean
}

/**
 * Selects the best class scores, exactly: all above the threshold are found, sorted by score, ties by their
 * index (lower anchor first, then lower class), and cut at the limit.
 *
 * @param logits A×classes, before the sigmoid
 * @param threshold score in 0…1; a score must be above it
 * @param allowed one flag per class, or null for all
 * @throws EfficientDetError ERR_INFERENCE for a NaN, which no comparison would show
 */
export function selectCandidates(
  logits: Float32Array,
  classes: number,
  threshold: number,
  limit: number,
  allowed: readonly boolean[] | null,
): Candidates {
  // The sigmoid rises strictly, so logits are compared and only the survivors' sigmoids computed.
  let least = Math.log(threshold / (1 - threshold))
  let found: number[] = []
  let capped = false
  for (let next = 0; next < logits.length; ) {
    next = collect(logits, next, least, classes, allowed, found, POOL * limit)
    if (found.length > limit) {
      // Of what follows, only better ones matter: equal ones would come after these.
      found = bestOf(found, logits, limit)
      least = lowestOf(found, logits)
      capped = true
    }
  }
  found.sort((a, b) => logits[b] - logits[a] || a - b)
  return {
    indices: Uint32Array.from(found),
    logits: Float32Array.from(found, (index) => logits[index]),
    capped,
  }
}

/** How many times the limit are collected before the best are chosen: it bounds memory, and time for low thresholds. */
const POOL = 4

/**
 * Appends what is above a logit, until there are enough or nothing is left.
 *
 * @returns where to go on
 */
function collect(
  logits: Float32Array,
  from: number,
  least: number,
  classes: number,
  allowed: readonly boolean[] | null,
  found: number[],
  enough: number,
): number {
  for (let i = nextAbove(logits, from, least); i < logits.length; i = nextAbove(logits, i + 1, least)) {
    // No comparison is true of NaN, so it gets here.
    if (Number.isNaN(logits[i])) throw notANumber(i)
    if (allowed !== null && !allowed[i % classes]) continue
    found.push(i)
    if (found.length >= enough) return i + 1
  }
  return logits.length
}

/**
 * The next position whose logit is above one, or NaN; the length if there is none. It looks at eight at a time, of which
 * mostly none is: of millions of values that takes half the time, and nothing else in postprocessing takes any.
 */
function nextAbove(logits: Float32Array, from: number, least: number): number {
  const lastBlock = logits.length - 8
  let i = from
  while (
    i <= lastBlock &&
    logits[i] <= least &&
    logits[i + 1] <= least &&
    logits[i + 2] <= least &&
    logits[i + 3] <= least &&
    logits[i + 4] <= least &&
    logits[i + 5] <= least &&
    logits[i + 6] <= least &&
    logits[i + 7] <= least
  ) {
    i += 8
  }
  while (i < logits.length && logits[i] <= least) i++
  return i
}

function lowestOf(indices: readonly number[], logits: Float32Array): number {
  return indices.reduce((lowest, index) => Math.min(lowest, logits[index]), Number.POSITIVE_INFINITY)
}

/** The `limit` best of more, in no order; of equal ones at the limit, those that come first. */
function bestOf(found: readonly number[], logits: Float32Array, limit: number): number[] {
  const ascending = Float32Array.from(found, (index) => logits[index]).sort()
  const least = ascending[ascending.length - limit]
  const above = found.filter((index) => logits[index] > least)
  const equal = found.filter((index) => logits[index] === least)
  return [...above, ...equal.slice(0, limit - above.length)]
}

function notANumber(index: number): EfficientDetError {
  return new EfficientDetError(
    'ERR_INFERENCE',
    `The network answered NaN (class_logits, position ${index}). Its weights are damaged or overflow in float16.`,
  )
}
