import { checkNumber } from '../options/checks.js'
import {
  type CocoDetection,
  checkDetections,
  checkGroundTruth,
  type Dataset,
  type GroundTruth,
} from './coco.js'
import { overlap } from './matching.js'

/** Which detections are looked at. */
export interface PairingOptions {
  /** Detections with a score from it on count; 0…1. Defaults to 0.25. */
  readonly score?: number
  /** Overlap (intersection over union, 0…1) from which a detection is of an object. Defaults to 0.5. */
  readonly overlap?: number
}

/** One picture, with places of categories. */
export interface PairedImage {
  /** Place of its id. */
  readonly image: number
  readonly pairs: readonly { readonly object: number; readonly detection: number }[]
  /** Objects that nothing found. */
  readonly missed: readonly number[]
  /** Detections of nothing; those of crowds are left out. */
  readonly unfounded: readonly number[]
}

/**
 * Pairs detections and objects of whatever category, picture by picture, those that overlap most first.
 *
 * @throws EfficientDetError ERR_ANNOTATIONS, ERR_DETECTIONS, ERR_INVALID_OPTION
 */
export function pairAll(
  truth: GroundTruth,
  detections: readonly CocoDetection[],
  { score = 0.25, overlap: least = 0.5 }: PairingOptions,
): { readonly dataset: Dataset; readonly images: readonly PairedImage[] } {
  checkNumber('score', score, 0, 1)
  checkNumber('overlap', least, 0, 1)
  const dataset = checkGroundTruth(truth)
  const { imageIds, truths } = dataset
  const found = checkDetections(detections, dataset)
  const objectsOf = byImage(truths.images, imageIds.length)
  const detectionsOf = byImage(found.images, imageIds.length)

  const images = objectsOf.map((objects, image): PairedImage => {
    const own = detectionsOf[image].filter((d) => found.scores[d] >= score)
    const overlapOf = (d: number, g: number) =>
      overlap(found.boxes, 4 * d, truths.boxes, 4 * g, truths.crowds[g] === 1)
    const crowds = objects.filter((g) => truths.crowds[g] === 1)
    const single = objects.filter((g) => truths.crowds[g] === 0)
    const candidates = own.flatMap((d) =>
      single.flatMap((g) => {
        const value = overlapOf(d, g)
        return value >= least ? [{ d, g, value }] : []
      }),
    )
    candidates.sort((a, b) => b.value - a.value || found.scores[b.d] - found.scores[a.d])
    const taken = new Set<number>()
    const paired = new Set<number>()
    const pairs: { object: number; detection: number }[] = []
    for (const { d, g } of candidates) {
      if (paired.has(d) || taken.has(g)) continue
      paired.add(d)
      taken.add(g)
      pairs.push({ object: truths.categories[g], detection: found.categories[d] })
    }
    const isOfCrowd = (d: number) => crowds.some((g) => overlapOf(d, g) >= least)
    return {
      image,
      pairs,
      missed: single.filter((g) => !taken.has(g)).map((g) => truths.categories[g]),
      unfounded: own.filter((d) => !paired.has(d) && !isOfCrowd(d)).map((d) => found.categories[d]),
    }
  })
  return { dataset, images }
}

function byImage(images: Int32Array, count: number): number[][] {
  const lists: number[][] = Array.from({ length: count }, () => [])
  for (const [i, image] of images.entries()) lists[image].push(i)
  return lists
}
