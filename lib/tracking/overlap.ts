import { float32, float64 } from './scratch.js'

/** Corners x1, y1, x2, y2 in pixels, one box after another (N×4). */
export type Boxes = readonly number[]

const areaMemory = float64()
const overlapMemory = float32()

/**
 * Intersection over union of all pairs.
 *
 * @returns tracks × detections, in float32: so has it the reference, and equal values decide what is matched. Good
 *   until the next call
 */
export function overlaps(tracks: Boxes, detections: Boxes): Float32Array {
  const columns = detections.length / 4
  const areas = areaMemory(columns)
  for (let j = 0; j < columns; j++) areas[j] = area(detections, 4 * j)
  const pairs = (tracks.length / 4) * columns
  const result = overlapMemory(pairs).fill(0, 0, pairs)
  for (let i = 0, at = 0; i < tracks.length; i += 4) {
    const x1 = tracks[i]
    const y1 = tracks[i + 1]
    const x2 = tracks[i + 2]
    const y2 = tracks[i + 3]
    const own = area(tracks, i)
    for (let j = 0, d = 0; j < columns; j++, d += 4, at++) {
      const width = Math.min(x2, detections[d + 2]) - Math.max(x1, detections[d])
      if (width <= 0) continue
      const height = Math.min(y2, detections[d + 3]) - Math.max(y1, detections[d + 1])
      if (height <= 0) continue
      const both = width * height
      const union = own + areas[j] - both
      if (union > 0) result[at] = both / union
    }
  }
  return result
}

function area(boxes: Boxes, at: number): number {
  return (boxes[at + 2] - boxes[at]) * (boxes[at + 3] - boxes[at + 1])
}

/** Boxes of a part of all, by their places. */
export function pick(boxes: Boxes, places: readonly number[]): Boxes {
  const picked: number[] = []
  for (const place of places) {
    const from = 4 * place
    picked.push(boxes[from], boxes[from + 1], boxes[from + 2], boxes[from + 3])
  }
  return picked
}
