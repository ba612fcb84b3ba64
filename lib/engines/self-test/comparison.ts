import type { DetectionArrays, PostprocessParameters } from '../../postprocess/detections.js'
import { iou } from '../../postprocess/nms.js'

/** How much two lists of detections of one image agree. */
export interface Comparison {
  /** The largest difference between the best scores of both, the second best, and so on; 0…1. */
  readonly scoreDifference: number
  /**
   * How much the best boxes of one answer overlap (mean IoU, 0…1) with the nearest of the same class in the other;
   * the lower of both ways.
   */
  readonly overlap: number
}

/**
 * What is asked of engines that are compared: the best hundred anchors before suppression, so that no score of a rank
 * differs by more than the network's largest error.
 *
 * Suppression would make much of little: where boxes overlap by nearly its threshold, another precision drops one.
 */
export function comparedParameters(classes: number): PostprocessParameters {
  return {
    scoreThresholds: new Float32Array(classes),
    iouThreshold: 1,
    maxDetections: COMPARED_DETECTIONS,
    preNmsTopK: 5000,
    nms: 'class',
  }
}

/** Detections of an image that are compared, at most. */
export const COMPARED_DETECTIONS = 100

/** Boxes that are looked for in the other detections, among all of it: the last have neighbours that did not get in. */
const BEST = 20

/**
 * Where right engines end (docs/engines.md): float16's scores are up to 0.0072 from float32's, bfloat16's 0.0334,
 * with overlaps from 0.997 and 0.918 on.
 *
 * Scores of wrong networks differ by 0.079 and more with `person`, or boxes overlap by less than 0.8; one reaches
 * 0.837 (`node tools/self-test-limits.mjs`).
 */
export const LIMITS: Comparison = { scoreDifference: 0.07, overlap: 0.8 }

export function isWithin({ scoreDifference, overlap }: Comparison): boolean {
  return scoreDifference <= LIMITS.scoreDifference && overlap >= LIMITS.overlap
}

/** Compares the detections of one image, best first, so that near ties between detections do not matter. */
export function compareDetections(a: DetectionArrays, b: DetectionArrays): Comparison {
  let scoreDifference = 0
  for (let rank = 0; rank < Math.min(a.scores.length, b.scores.length); rank++) {
    const difference = Math.abs(a.scores[rank] - b.scores[rank])
    if (!(difference <= scoreDifference)) scoreDifference = Number.isNaN(difference) ? 1 : difference
  }
  return { scoreDifference, overlap: Math.min(overlapOf(a, b), overlapOf(b, a)) }
}

/** The worst of many, each figure on its own. */
export function worstOf(comparisons: readonly Comparison[]): Comparison {
  return {
    scoreDifference: Math.max(0, ...comparisons.map(({ scoreDifference }) => scoreDifference)),
    overlap: Math.min(1, ...comparisons.map(({ overlap }) => overlap)),
  }
}

function overlapOf(detections: DetectionArrays, other: DetectionArrays): number {
  const count = Math.min(BEST, detections.scores.length)
  if (count === 0) return other.scores.length === 0 ? 1 : 0
  const boxes = Float32Array.of(...detections.boxes, ...other.boxes)
  let sum = 0
  for (let i = 0; i < count; i++) {
    let nearest = 0
    for (let j = 0; j < other.scores.length; j++) {
      if (detections.classIds[i] !== other.classIds[j]) continue
      nearest = Math.max(nearest, iou(boxes, i, detections.scores.length + j))
    }
    sum += nearest
  }
  return sum / count
}
