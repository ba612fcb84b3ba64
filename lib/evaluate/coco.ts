import { EfficientDetError } from '../base/errors.js'
import { inspect } from '../base/inspect.js'
import { MAX_EVALUATED } from '../base/limits.js'
import { show } from '../base/show.js'

/** How COCO's files name pictures: by numbers, some by texts. */
export type ImageId = number | string

/** x, y, width, height in pixels. */
export type CocoBox = readonly [x: number, y: number, width: number, height: number]

/** Ground truth, in the form of COCO's annotation files; what else they have is ignored. */
export interface GroundTruth {
  readonly images: readonly { readonly id: ImageId }[]
  readonly categories: readonly { readonly id: number; readonly name?: string }[]
  readonly annotations: readonly GroundTruthObject[]
}

export interface GroundTruthObject {
  readonly image_id: ImageId
  readonly category_id: number
  readonly bbox: CocoBox
  /** Square pixels; width × height where it is left out. Decides whether an object is small, medium or large. */
  readonly area?: number
  /** 1 for a region of many that are not told apart: who finds one is neither right nor wrong. */
  readonly iscrowd?: 0 | 1 | boolean
}

/** A detection, in the form of COCO's result files. */
export interface CocoDetection {
  readonly image_id: ImageId
  readonly category_id: number
  readonly bbox: CocoBox
  /** Any finite number; the order is what counts. */
  readonly score: number
}

/** Ground truth and detections as arrays, ordered by the places of categories and pictures. */
export interface Objects {
  /** Places of pictures in ascending order of their ids, of categories likewise. */
  readonly images: Int32Array
  readonly categories: Int32Array
  /** x, y, width, height (N×4). */
  readonly boxes: Float64Array
}

export interface Truths extends Objects {
  readonly areas: Float64Array
  readonly crowds: Uint8Array
}

export interface Detections extends Objects {
  readonly scores: Float64Array
}

/** A set of pictures with ground truth, checked. */
export interface Dataset {
  /** Ascending. */
  readonly imageIds: readonly ImageId[]
  /** Ascending by id. */
  readonly categories: readonly { readonly id: number; readonly name: string }[]
  readonly truths: Truths
}

/** @throws EfficientDetError ERR_ANNOTATIONS */
export function checkGroundTruth(truth: GroundTruth): Dataset {
  const refuse = (reason: string) => new EfficientDetError('ERR_ANNOTATIONS', `The ground truth ${reason}.`)
  return inspect('the ground truth', () => {
    if (typeof truth !== 'object' || truth === null) {
      throw refuse(
        `is ${show(truth)}; expected an object with images, categories and annotations, as COCO has it`,
      )
    }
    const { images, categories, annotations } = truth
    for (const [name, list] of Object.entries({ images, categories, annotations })) {
      if (!Array.isArray(list)) throw refuse(`has ${show(list)} as ${name}; expected a list, as COCO has it`)
      if (list.length > MAX_EVALUATED)
        throw refuse(`has ${list.length} ${name}; ${MAX_EVALUATED} are the most`)
    }
    const imageIds = images.map((image, i) => {
      const id: unknown = image?.id
      if (isImageId(id)) return id
      throw refuse(`has ${show(id)} as id of images[${i}]; expected a whole number or a text`)
    })
    imageIds.sort(compare)
    const twice = imageIds.find((id, i) => i > 0 && id === imageIds[i - 1])
    if (twice !== undefined) throw refuse(`has two images with the id ${show(twice)}`)
    const named = categories.map((category, i) => {
      const { id, name } = Object(category) as { id?: unknown; name?: unknown }
      if (!Number.isSafeInteger(id))
        throw refuse(`has ${show(id)} as id of categories[${i}]; expected a whole number`)
      return { id: id as number, name: typeof name === 'string' ? name : `category ${id}` }
    })
    named.sort((a, b) => a.id - b.id)
    const double = named.find(({ id }, i) => i > 0 && id === named[i - 1].id)
    if (double !== undefined) throw refuse(`has two categories with the id ${double.id}`)

    const placeOfImage = new Map(imageIds.map((id, i) => [id, i]))
    const placeOfCategory = new Map(named.map(({ id }, i) => [id, i]))
    const count = annotations.length
    const truths = {
      images: new Int32Array(count),
      categories: new Int32Array(count),
      boxes: new Float64Array(4 * count),
      areas: new Float64Array(count),
      crowds: new Uint8Array(count),
    }
    for (let i = 0; i < count; i++) {
      const { image_id, category_id, bbox, area, iscrowd } = Object(
        annotations[i],
      ) as Partial<GroundTruthObject>
      const image = placeOfImage.get(image_id as ImageId)
      if (image === undefined)
        throw refuse(`has ${show(image_id)} as image_id of annotations[${i}], and no such image`)
      const category = placeOfCategory.get(category_id as number)
      if (category === undefined) {
        throw refuse(`has ${show(category_id)} as category_id of annotations[${i}], and no such category`)
      }
      if (!isBox(bbox)) throw refuse(`has no box at annotations[${i}]; expected bbox: [x, y, width, height]`)
      const size = area ?? bbox[2] * bbox[3]
      if (!isNumber(size)) throw refuse(`has ${show(size)} as area of annotations[${i}]; expected a number`)
      truths.images[i] = image
      truths.categories[i] = category
      truths.boxes.set(bbox, 4 * i)
      truths.areas[i] = size
      truths.crowds[i] = iscrowd ? 1 : 0
    }
    return { imageIds, categories: named, truths }
  })
}

/**
 * Detections of a data set. Those of categories that it has not are left out, as COCO does.
 *
 * @throws EfficientDetError ERR_DETECTIONS
 */
export function checkDetections(
  detections: readonly CocoDetection[],
  { imageIds, categories }: Dataset,
): Detections & { readonly unknown: number } {
  const refuse = (reason: string) =>
    new EfficientDetError('ERR_DETECTIONS', `The list of detections ${reason}.`)
  return inspect('the detections', () => {
    if (!Array.isArray(detections)) {
      throw refuse(
        `is ${show(detections)}; expected a list with image_id, category_id, bbox and score, as COCO has it`,
      )
    }
    if (detections.length > MAX_EVALUATED)
      throw refuse(`has ${detections.length}; ${MAX_EVALUATED} are the most`)
    const placeOfImage = new Map(imageIds.map((id, i) => [id, i]))
    const placeOfCategory = new Map(categories.map(({ id }, i) => [id, i]))
    const images = new Int32Array(detections.length)
    const places = new Int32Array(detections.length)
    const boxes = new Float64Array(4 * detections.length)
    const scores = new Float64Array(detections.length)
    let count = 0
    for (let i = 0; i < detections.length; i++) {
      const { image_id, category_id, bbox, score } = Object(detections[i]) as Partial<CocoDetection>
      const image = placeOfImage.get(image_id as ImageId)
      if (image === undefined) {
        throw refuse(`has ${show(image_id)} as image_id at [${i}], and the ground truth has no such image`)
      }
      if (!isBox(bbox)) throw refuse(`has no box at [${i}]; expected bbox: [x, y, width, height]`)
      if (!isNumber(score)) throw refuse(`has ${show(score)} as score at [${i}]; expected a number`)
      if (!Number.isSafeInteger(category_id)) {
        throw refuse(`has ${show(category_id)} as category_id at [${i}]; expected a whole number`)
      }
      const category = placeOfCategory.get(category_id as number)
      if (category === undefined) continue
      images[count] = image
      places[count] = category
      boxes.set(bbox, 4 * count)
      scores[count] = score
      count++
    }
    return {
      images: images.subarray(0, count),
      categories: places.subarray(0, count),
      boxes: boxes.subarray(0, 4 * count),
      scores: scores.subarray(0, count),
      unknown: detections.length - count,
    }
  })
}

/** Numbers before texts, each ascending. */
function compare(a: ImageId, b: ImageId): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0
  return typeof a === 'number' ? -1 : 1
}

function isImageId(id: unknown): id is ImageId {
  return typeof id === 'string' || Number.isSafeInteger(id)
}

/** Bounded so that areas and sums of them are finite. */
function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= 1e18
}

function isBox(box: unknown): box is CocoBox {
  return Array.isArray(box) && box.length === 4 && box.every(isNumber) && box[2] >= 0 && box[3] >= 0
}
