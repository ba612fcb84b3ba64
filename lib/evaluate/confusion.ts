import type { CocoDetection, GroundTruth, ImageId } from './coco.js'
import { type PairingOptions, pairAll } from './pairing.js'

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

/**
 * Counts what is taken for what, of whatever category. Detections of crowds count nowhere.
 *
 * @throws EfficientDetError ERR_ANNOTATIONS, ERR_DETECTIONS, ERR_INVALID_OPTION
 */
export function confusion(
  truth: GroundTruth,
  detections: readonly CocoDetection[],
  options: PairingOptions = {},
): Confusion {
  const { dataset, images } = pairAll(truth, detections, options)
  const { categories } = dataset
  const background = categories.length
  const matrix = Array.from({ length: background + 1 }, () => new Array<number>(background + 1).fill(0))
  for (const { pairs, missed, unfounded } of images) {
    for (const { object, detection } of pairs) matrix[object][detection]++
    for (const object of missed) matrix[object][background]++
    for (const detection of unfounded) matrix[background][detection]++
  }
  return { categories, matrix }
}

/** How a model did in one picture. */
export interface PictureJudgement {
  readonly imageId: ImageId
  /** Objects that were found, and those that were taken for another category. */
  readonly right: number
  readonly mistaken: number
  /** Objects that were not found, and detections of nothing. */
  readonly missed: number
  readonly unfounded: number
}

/**
 * Judges each picture by itself, the worst first: those with the most that is mistaken, missed or unfounded.
 *
 * @throws EfficientDetError ERR_ANNOTATIONS, ERR_DETECTIONS, ERR_INVALID_OPTION
 */
export function judgePictures(
  truth: GroundTruth,
  detections: readonly CocoDetection[],
  options: PairingOptions = {},
): PictureJudgement[] {
  const { dataset, images } = pairAll(truth, detections, options)
  const judgements = images.map(({ image, pairs, missed, unfounded }): PictureJudgement => {
    const right = pairs.filter(({ object, detection }) => object === detection).length
    return {
      imageId: dataset.imageIds[image],
      right,
      mistaken: pairs.length - right,
      missed: missed.length,
      unfounded: unfounded.length,
    }
  })
  const faults = ({ mistaken, missed, unfounded }: PictureJudgement) => mistaken + missed + unfounded
  return judgements.sort((a, b) => faults(b) - faults(a))
}
