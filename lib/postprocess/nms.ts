/** Which boxes compete: those of one class (`class`), or all (`agnostic`). */
export const NMS_KINDS = ['class', 'agnostic'] as const
export type NmsKind = (typeof NMS_KINDS)[number]

/**
 * Hard non-maximum suppression: goes through boxes from best to worst and drops each that overlaps a kept one
 * with IoU above the threshold.
 *
 * @param boxes x1, y1, x2, y2 of each, best first
 * @param classIds class of each, or null to let all compete
 * @param limit stop after so many are kept
 * @returns positions of the kept boxes, best first, and whether the limit left any out
 */
export function suppress(
  boxes: Float32Array,
  classIds: Uint32Array | null,
  iouThreshold: number,
  limit: number,
): { kept: number[]; capped: boolean } {
  const kept: number[] = []
  /** Kept positions that a box of a class must be compared with. */
  const rivals = new Map<number, number[]>()
  for (let i = 0; i < boxes.length / 4; i++) {
    const group = classIds === null ? 0 : classIds[i]
    const others = rivals.get(group) ?? []
    if (others.some((other) => iou(boxes, i, other) > iouThreshold)) continue
    if (kept.length === limit) return { kept, capped: true }
    kept.push(i)
    others.push(i)
    rivals.set(group, others)
  }
  return { kept, capped: false }
}

/** Intersection over union; 0 where both are empty. */
export function iou(boxes: Float32Array, a: number, b: number): number {
  const [i, j] = [a * 4, b * 4]
  const width = Math.min(boxes[i + 2], boxes[j + 2]) - Math.max(boxes[i], boxes[j])
  const height = Math.min(boxes[i + 3], boxes[j + 3]) - Math.max(boxes[i + 1], boxes[j + 1])
  if (width <= 0 || height <= 0) return 0
  const intersection = width * height
  return intersection / (area(boxes, i) + area(boxes, j) - intersection)
}

function area(boxes: Float32Array, i: number): number {
  return (boxes[i + 2] - boxes[i]) * (boxes[i + 3] - boxes[i + 1])
}
