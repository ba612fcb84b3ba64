import { EVALUATE_OPTIONS, type EvaluateOptions } from '../options/evaluate.js'
import { checkOptions } from '../options/option.js'
import {
  bestFirst,
  bestPoint,
  type Curve,
  curveOf,
  type OperatingPoint,
  type ScoreCurves,
  scoreCurves,
} from './average-precision.js'
import { type CocoDetection, checkDetections, checkGroundTruth, type GroundTruth } from './coco.js'
import { matchCategory } from './matching.js'
import { AREAS, AT_50, AT_75, OVERLAPS, RECALLS } from './thresholds.js'

/**
 * COCO's twelve numbers, 0…1; null where there are no such objects, for which COCO prints −1.
 *
 * AP is the mean over overlaps from 0.5 to 0.95, at which a detection is right, and over categories.
 */
export interface CocoMetrics {
  readonly ap: number | null
  /** At an overlap of 0.5, and of 0.75. */
  readonly ap50: number | null
  readonly ap75: number | null
  /** For objects of less than 32×32 pixels, of less than 96×96, and for larger ones. */
  readonly apSmall: number | null
  readonly apMedium: number | null
  readonly apLarge: number | null
  /** Average recall with each number of detections of a picture (`maxDetections`). */
  readonly ar: readonly [number | null, number | null, number | null]
  readonly arSmall: number | null
  readonly arMedium: number | null
  readonly arLarge: number | null
}

/** One category, with the numbers of all. */
export interface CategoryEvaluation extends CocoMetrics {
  readonly categoryId: number
  readonly name: string
  /** Objects to be found, crowds left out. */
  readonly objects: number
  /** Detections that were looked at. */
  readonly detections: number
  readonly bestF1: OperatingPoint | null
  /** Precision at recalls of 0, 0.01, … 1 (101), at an overlap of 0.5; null where there is nothing to find. */
  readonly precisionByRecall: readonly number[] | null
  readonly byScore: ScoreCurves | null
}

export interface Evaluation extends CocoMetrics {
  readonly images: number
  readonly objects: number
  readonly detections: number
  /** Detections of categories that the ground truth has not, which count nowhere. */
  readonly unknown: number
  readonly maxDetections: readonly [number, number, number]
  /** Ascending by id. */
  readonly categories: readonly CategoryEvaluation[]
}

/**
 * Judges detections as COCO's own evaluator does (boxes): the same numbers to the last bits.
 *
 * One thing is otherwise: an annotation whose id is 0 can be found, for which COCO's evaluator has no sign.
 *
 * @throws EfficientDetError ERR_ANNOTATIONS, ERR_DETECTIONS, ERR_INVALID_OPTION
 */
export function evaluate(
  truth: GroundTruth,
  detections: readonly CocoDetection[],
  options: EvaluateOptions = {},
): Evaluation {
  const { maxDetections } = checkOptions('the evaluation options', options, EVALUATE_OPTIONS)
  const dataset = checkGroundTruth(truth)
  const { imageIds, categories, truths } = dataset
  const found = checkDetections(detections, dataset)
  const ownTruths = byCategory(truths.categories, categories.length)
  const ownDetections = byCategory(found.categories, categories.length)
  const [first, second, most] = maxDetections

  const evaluated = categories.map(({ id, name }, k) => {
    const outcomes = matchCategory(truths, ownTruths[k], found, ownDetections[k], imageIds.length, most)
    const order = bestFirst(outcomes)
    const [all, small, medium, large] = AREAS.map((_, range) => curveOf(outcomes, order, range, most))
    const curves: Curves = {
      ...{ all, small, medium, large },
      fewer: [curveOf(outcomes, order, 0, first), curveOf(outcomes, order, 0, second)],
    }
    const counts = { objects: outcomes.positives[0], detections: outcomes.scores.length }
    const category = {
      ...{ categoryId: id, name, ...counts, bestF1: bestPoint(outcomes, order) },
      precisionByRecall: all === null ? null : [...all.precision.subarray(0, RECALLS.length)],
      byScore: scoreCurves(outcomes, order),
    }
    return { category, curves }
  })
  const sum = (of: 'objects' | 'detections') => evaluated.reduce((total, it) => total + it.category[of], 0)
  return {
    ...metricsOf(evaluated.map(({ curves }) => curves)),
    ...{ images: imageIds.length, objects: sum('objects'), detections: sum('detections') },
    unknown: found.unknown,
    maxDetections,
    categories: evaluated.map(({ category, curves }) => ({ ...category, ...metricsOf([curves]) })),
  }
}

/** COCO's twelve numbers in its own order, −1 where there are no such objects. */
export function cocoStats(metrics: CocoMetrics): number[] {
  const { ap, ap50, ap75, apSmall, apMedium, apLarge, ar, arSmall, arMedium, arLarge } = metrics
  return [ap, ap50, ap75, apSmall, apMedium, apLarge, ...ar, arSmall, arMedium, arLarge].map((it) => it ?? -1)
}

/** Curves of one category by areas; null where there is nothing to find. */
interface Curves {
  readonly all: Curve | null
  readonly small: Curve | null
  readonly medium: Curve | null
  readonly large: Curve | null
  /** Those of all areas with fewer detections of a picture. */
  readonly fewer: readonly [Curve | null, Curve | null]
}

function metricsOf(curves: readonly Curves[]): CocoMetrics {
  const precision = (of: (it: Curves) => Curve | null, at?: number) => {
    const [from, to] = at === undefined ? [0, OVERLAPS.length] : [at, at + 1]
    return mean(curves.map((it) => of(it)?.precision.subarray(from * RECALLS.length, to * RECALLS.length)))
  }
  const recall = (of: (it: Curves) => Curve | null) => mean(curves.map((it) => of(it)?.recall))
  return {
    ap: precision((it) => it.all),
    ap50: precision((it) => it.all, AT_50),
    ap75: precision((it) => it.all, AT_75),
    apSmall: precision((it) => it.small),
    apMedium: precision((it) => it.medium),
    apLarge: precision((it) => it.large),
    ar: [recall((it) => it.fewer[0]), recall((it) => it.fewer[1]), recall((it) => it.all)],
    arSmall: recall((it) => it.small),
    arMedium: recall((it) => it.medium),
    arLarge: recall((it) => it.large),
  }
}

function mean(lists: readonly (Float64Array | undefined)[]): number | null {
  let sum = 0
  let count = 0
  for (const list of lists) {
    if (list === undefined) continue
    for (const value of list) sum += value
    count += list.length
  }
  return count === 0 ? null : sum / count
}

/** Places of each category's, in ascending order. */
function byCategory(categories: Int32Array, count: number): Int32Array[] {
  const sizes = new Int32Array(count)
  for (const category of categories) sizes[category]++
  const lists = Array.from(sizes, (size) => new Int32Array(size))
  const filled = new Int32Array(count)
  for (let i = 0; i < categories.length; i++) lists[categories[i]][filled[categories[i]]++] = i
  return lists
}
