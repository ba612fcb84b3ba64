import { checkNumber } from '../options/checks.js'
import { type CocoDetection, checkDetections, checkGroundTruth, type GroundTruth } from './coco.js'
import { overlap } from './matching.js'

/** What is taken for what. */
export interface Confusion {
  /** Ascending by id. */
  readonly categories: readonly { readonly id: number; readonly name: string }[]
  /**
   * Rows are categories of objects, columns those of detections, both with the background last: a row's last is what
   * was missed, a column's last what is not there ((C+1)×(C+1)).
   */
  readonly matrix: readonly (readonly number[])[]
}

export interface ConfusionOptions {
  /** Detections with a score from it on count. Defaults to 0.25. */
  readonly score?: number
  /** Overlap (intersection over union, 0…1) from which a detection is of an object. Defaults to 0.5. */
  readonly overlap?: number
}

/**
 * Pairs detections and objects of whatever category, those that overlap most first. Detections of crowds count nowhere.
 *
 * @throws EfficientDetError ERR_ANNOTATIONS, ERR_DETECTIONS, ERR_INVALID_OPTION
 */
export function confusion(
  truth: GroundTruth,
  detections: readonly CocoDetection[],
  { score = 0.25, overlap: least = 0.5 }: ConfusionOptions = {},
): Confusion {
  checkNumber('score', score, 0, 1)
  checkNumber('overlap', least, 0, 1)
  const dataset = checkGroundTruth(truth)
  const { imageIds, categories, truths } = dataset
  const found = checkDetections(detections, dataset)
  const background = categories.length
  const matrix = Array.from({ length: background + 1 }, () => new Array<number>(background + 1).fill(0))
  const objectsOf = byImage(truths.images, imageIds.length)
  const detectionsOf = byImage(found.images, imageIds.length)

  for (const [image, objects] of objectsOf.entries()) {
    const own = detectionsOf[image].filter((d) => found.scores[d] >= score)
    const overlapOf = (d: number, g: number) =>
      overlap(found.boxes, 4 * d, truths.boxes, 4 * g, truths.crowds[g] === 1)
    const crowds = objects.filter((g) => truths.crowds[g] === 1)
    const single = objects.filter((g) => truths.crowds[g] === 0)
    const pairs = own.flatMap((d) => {
      return single.flatMap((g) => {
        const value = overlapOf(d, g)
        return value >= least ? [{ d, g, value }] : []
      })
    })
    pairs.sort((a, b) => b.value - a.value || found.scores[b.d] - found.scores[a.d])
    const taken = new Set<number>()
    const paired = new Set<number>()
    for (const { d, g } of pairs) {
      if (paired.has(d) || taken.has(g)) continue
      paired.add(d)
      taken.add(g)
      matrix[truths.categories[g]][found.categories[d]]++
    }
    for (const g of single) if (!taken.has(g)) matrix[truths.categories[g]][background]++
    for (const d of own) {
      if (paired.has(d) || crowds.some((g) => overlapOf(d, g) >= least)) continue
      matrix[background][found.categories[d]]++
    }
  }
  return { categories, matrix }
}

function byImage(images: Int32Array, count: number): number[][] {
  const lists: number[][] = Array.from({ length: count }, () => [])
  for (const [i, image] of images.entries()) lists[image].push(i)
  return lists
}
