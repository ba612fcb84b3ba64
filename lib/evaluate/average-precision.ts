import type { Outcomes } from './matching.js'
import { AT_50, OVERLAPS, RECALLS } from './thresholds.js'

/** Precision and recall of one category, for one range of areas and a number of detections of each picture. */
export interface Curve {
  /** Precision at each recall of `RECALLS`, for each overlap (10×101). */
  readonly precision: Float64Array
  /** The largest recall of each overlap (10). */
  readonly recall: Float64Array
}

/** What numpy's `spacing(1)` is: it keeps COCO's precision finite where nothing counts. */
const EPSILON = 2 ** -52

/** The detections of all pictures, best first; equal scores in the order of pictures. */
export function bestFirst({ scores }: Outcomes): Uint32Array {
  return Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b)
}

/**
 * The curve of one category; null where there is nothing to find.
 *
 * @param order as `bestFirst` gives it
 * @param most detections of a picture that count
 */
export function curveOf(outcomes: Outcomes, order: Uint32Array, range: number, most: number): Curve | null {
  const positives = outcomes.positives[range]
  if (positives === 0) return null
  const { ranks } = outcomes
  const right = outcomes.right[range]
  const ignored = outcomes.ignored[range]
  const curve = {
    precision: new Float64Array(OVERLAPS.length * RECALLS.length),
    recall: new Float64Array(OVERLAPS.length),
  }
  // Only a detection that is right changes recall: there precision is read, and falls between.
  const precisions = new Float64Array(positives)
  for (let t = 0; t < OVERLAPS.length; t++) {
    const bit = 1 << t
    let hits = 0
    let misses = 0
    for (let k = 0; k < order.length; k++) {
      const i = order[k]
      if (ranks[i] >= most || (ignored[i] & bit) !== 0) continue
      if ((right[i] & bit) === 0) {
        misses++
        continue
      }
      hits++
      precisions[hits - 1] = hits / (misses + hits + EPSILON)
    }
    for (let i = hits - 1; i > 0; i--) {
      if (precisions[i] > precisions[i - 1]) precisions[i - 1] = precisions[i]
    }
    curve.recall[t] = hits / positives
    let hit = 0
    for (let r = 0; r < RECALLS.length; r++) {
      while (hit < hits && (hit + 1) / positives < RECALLS[r]) hit++
      if (hit === hits) break
      curve.precision[t * RECALLS.length + r] = precisions[hit]
    }
  }
  return curve
}

/** What becomes of detections from a score on. */
export interface OperatingPoint {
  /** The least that is taken. */
  readonly score: number
  /** 0…1. */
  readonly precision: number
  readonly recall: number
  readonly f1: number
}

/**
 * The score from which on detections are best taken, by F1 at an overlap of 0.5; null where there is nothing to find,
 * or nothing right is found.
 */
export function bestPoint(outcomes: Outcomes, order: Uint32Array): OperatingPoint | null {
  const [positives] = outcomes.positives
  const [right] = outcomes.right
  const [ignored] = outcomes.ignored
  const bit = 1 << AT_50
  let best: OperatingPoint | null = null
  let hits = 0
  let misses = 0
  for (let k = 0; k < order.length; k++) {
    const i = order[k]
    if ((ignored[i] & bit) === 0) {
      if ((right[i] & bit) === 0) misses++
      else hits++
    }
    const score = outcomes.scores[i]
    // Equal scores are taken together.
    const isLast = k + 1 === order.length || outcomes.scores[order[k + 1]] < score
    if (!isLast || hits === 0) continue
    const f1 = (2 * hits) / (hits + misses + positives)
    if (best !== null && f1 <= best.f1) continue
    best = { score, precision: hits / (hits + misses), recall: hits / positives, f1 }
  }
  return best
}

/** Precision, recall and F1 of one category by the score from which detections are taken, at an overlap of 0.5. */
export interface ScoreCurves {
  /** 0, 0.01, … 1. */
  readonly scores: readonly number[]
  /** At each score, 0…1; precision is 1 where nothing is taken any more. */
  readonly precision: readonly number[]
  readonly recall: readonly number[]
  readonly f1: readonly number[]
}

/** @param order as `bestFirst` gives it; null is returned where there is nothing to find */
export function scoreCurves(outcomes: Outcomes, order: Uint32Array): ScoreCurves | null {
  const [positives] = outcomes.positives
  if (positives === 0) return null
  const [right] = outcomes.right
  const [ignored] = outcomes.ignored
  const bit = 1 << AT_50
  const curves = { scores: [...RECALLS], precision: [], recall: [], f1: [] } as {
    [Name in keyof ScoreCurves]: number[]
  }
  let hits = 0
  let misses = 0
  let taken = 0
  for (const score of [...RECALLS].reverse()) {
    for (; taken < order.length && outcomes.scores[order[taken]] >= score; taken++) {
      const i = order[taken]
      if ((ignored[i] & bit) !== 0) continue
      if ((right[i] & bit) === 0) misses++
      else hits++
    }
    curves.precision.unshift(hits + misses === 0 ? 1 : hits / (hits + misses))
    curves.recall.unshift(hits / positives)
    curves.f1.unshift((2 * hits) / (hits + misses + positives))
  }
  return curves
}
