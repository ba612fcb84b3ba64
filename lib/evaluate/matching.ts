import type { Detections, Truths } from './coco.js'
import { AREAS, OVERLAPS } from './thresholds.js'

/** Detections of one category, picture after picture and best first in each, with what became of them. */
export interface Outcomes {
  readonly scores: Float64Array
  /** Place of each in its picture, best first. */
  readonly ranks: Int32Array
  /**
   * Whether each is right, for each range of areas: bit t tells of `OVERLAPS[t]`. `ignored` are those that are neither
   * right nor wrong.
   */
  readonly right: readonly Uint16Array[]
  readonly ignored: readonly Uint16Array[]
  /** Objects to be found, for each range of areas. */
  readonly positives: Int32Array
}

/** Places of objects, picture after picture. */
interface ByImage {
  readonly order: Int32Array
  /** Where each picture's begin in `order`; one more for the end. */
  readonly starts: Int32Array
}

/**
 * Matches the detections of one category with its objects, picture by picture, as COCO does.
 *
 * @param own places of the category's objects and detections, ascending
 * @param images how many there are
 * @param most detections of a picture that are looked at
 */
export function matchCategory(
  truths: Truths,
  ownTruths: Int32Array,
  detections: Detections,
  ownDetections: Int32Array,
  images: number,
  most: number,
): Outcomes {
  const truthsOf = byImage(truths.images, ownTruths, images)
  const detectionsOf = byImage(detections.images, ownDetections, images)
  const { scores } = detections
  const kept = new Int32Array(ownDetections.length)
  const ranks = new Int32Array(ownDetections.length)
  const starts = new Int32Array(images + 1)
  let count = 0
  for (let image = 0; image < images; image++) {
    starts[image] = count
    const from = detectionsOf.starts[image]
    const to = detectionsOf.starts[image + 1]
    if (from === to) continue
    // Equal scores stay in the order of the file.
    const best = detectionsOf.order.slice(from, to).sort((a, b) => scores[b] - scores[a] || a - b)
    const length = Math.min(best.length, most)
    for (let rank = 0; rank < length; rank++) {
      kept[count] = best[rank]
      ranks[count++] = rank
    }
  }
  starts[images] = count

  const outcomes: Outcomes = {
    scores: Float64Array.from({ length: count }, (_, i) => scores[kept[i]]),
    ranks: ranks.subarray(0, count),
    right: AREAS.map(() => new Uint16Array(count)),
    ignored: AREAS.map(() => new Uint16Array(count)),
    positives: new Int32Array(AREAS.length),
  }
  for (let image = 0; image < images; image++) {
    const objects = truthsOf.order.subarray(truthsOf.starts[image], truthsOf.starts[image + 1])
    if (objects.length === 0 && starts[image] === starts[image + 1]) continue
    matchImage(truths, objects, detections, kept, starts[image], starts[image + 1], outcomes)
  }
  return outcomes
}

/** Sorts by pictures, and leaves the order within each. */
function byImage(images: Int32Array, own: Int32Array, count: number): ByImage {
  const starts = new Int32Array(count + 1)
  for (const i of own) starts[images[i] + 1]++
  for (let image = 0; image < count; image++) starts[image + 1] += starts[image]
  const next = starts.slice(0, count)
  const order = new Int32Array(own.length)
  for (const i of own) order[next[images[i]]++] = i
  return { order, starts }
}

const ALL_OVERLAPS = 2 ** OVERLAPS.length - 1

function matchImage(
  { boxes, areas, crowds }: Truths,
  objects: Int32Array,
  detections: Detections,
  kept: Int32Array,
  from: number,
  to: number,
  { right, ignored, positives }: Outcomes,
): void {
  const columns = objects.length
  const overlaps = new Float64Array((to - from) * columns)
  for (let i = from, at = 0; i < to; i++) {
    for (const object of objects) {
      overlaps[at++] = overlap(detections.boxes, 4 * kept[i], boxes, 4 * object, crowds[object] === 1)
    }
  }
  const order = new Int32Array(columns)
  const taken = new Uint8Array(columns)
  for (let range = 0; range < AREAS.length; range++) {
    const isOutside = (area: number) => area < AREAS[range].from || area > AREAS[range].to
    const isCounted = (j: number) => crowds[objects[j]] === 0 && !isOutside(areas[objects[j]])
    // Those that count come first.
    let counted = 0
    for (let j = 0; j < columns; j++) if (isCounted(j)) order[counted++] = j
    for (let j = 0, k = counted; j < columns; j++) if (!isCounted(j)) order[k++] = j
    positives[range] += counted
    const ownRight = right[range]
    const ownIgnored = ignored[range]
    // Whoever finds nothing and is of another size is not to be judged here.
    for (let i = from; i < to; i++) {
      const at = 4 * kept[i]
      if (isOutside(detections.boxes[at + 2] * detections.boxes[at + 3])) ownIgnored[i] = ALL_OVERLAPS
    }
    if (columns === 0) continue
    for (let t = 0; t < OVERLAPS.length; t++) {
      const bit = 1 << t
      taken.fill(0)
      for (let i = from; i < to; i++) {
        let best = Math.min(OVERLAPS[t], 1 - 1e-10)
        let match = -1
        for (let k = 0; k < columns; k++) {
          const j = order[k]
          if (taken[j] === 1 && crowds[objects[j]] === 0) continue
          // An object that counts is kept, however well one fits that does not.
          if (match >= 0 && match < counted && k >= counted) break
          const value = overlaps[(i - from) * columns + j]
          if (value < best) continue
          best = value
          match = k
        }
        if (match < 0) continue
        taken[order[match]] = 1
        if (match < counted) {
          ownRight[i] |= bit
          ownIgnored[i] &= ~bit
        } else ownIgnored[i] |= bit
      }
    }
  }
}

/** Intersection over union; over the detection's own area where the object is a crowd. */
export function overlap(
  detections: Float64Array,
  d: number,
  truths: Float64Array,
  g: number,
  crowd: boolean,
): number {
  const width =
    Math.min(detections[d + 2] + detections[d], truths[g + 2] + truths[g]) -
    Math.max(detections[d], truths[g])
  if (width <= 0) return 0
  const height =
    Math.min(detections[d + 3] + detections[d + 1], truths[g + 3] + truths[g + 1]) -
    Math.max(detections[d + 1], truths[g + 1])
  if (height <= 0) return 0
  const both = width * height
  const own = detections[d + 2] * detections[d + 3]
  return both / (crowd ? own : own + truths[g + 2] * truths[g + 3] - both)
}
