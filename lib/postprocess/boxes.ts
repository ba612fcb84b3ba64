/**
 * Turns box regressions into corners (paper section 3.1's detector; automl anchors.py:30-58): centre =
 * t · anchor side + anchor centre, side = exp(t) · anchor side.
 *
 * @param regression A×4: ty, tx, th, tw
 * @param anchors A×4: centre y, centre x, height, width, in input pixels
 * @param indices which anchors to decode
 * @returns one x1, y1, x2, y2 per index, in input pixels, not clipped
 */
export function decodeBoxes(
  regression: Float32Array,
  anchors: Float32Array,
  indices: ArrayLike<number>,
): Float32Array {
  const boxes = new Float32Array(indices.length * 4)
  for (let i = 0; i < indices.length; i++) {
    const at = indices[i] * 4
    const [anchorHeight, anchorWidth] = [anchors[at + 2], anchors[at + 3]]
    const y = regression[at] * anchorHeight + anchors[at]
    const x = regression[at + 1] * anchorWidth + anchors[at + 1]
    const halfHeight = (Math.exp(regression[at + 2]) * anchorHeight) / 2
    const halfWidth = (Math.exp(regression[at + 3]) * anchorWidth) / 2
    boxes[i * 4] = x - halfWidth
    boxes[i * 4 + 1] = y - halfHeight
    boxes[i * 4 + 2] = x + halfWidth
    boxes[i * 4 + 3] = y + halfHeight
  }
  return boxes
}

/** Scales boxes from input to source pixels and clips them to the image, in place. */
export function toSourcePixels(boxes: Float32Array, scale: number, width: number, height: number): void {
  for (let i = 0; i < boxes.length; i += 2) {
    boxes[i] = Math.min(Math.max(boxes[i] / scale, 0), width)
    boxes[i + 1] = Math.min(Math.max(boxes[i + 1] / scale, 0), height)
  }
}
