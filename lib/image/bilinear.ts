import type { Size } from '../models/levels.js'
import type { RgbImage } from './rgb.js'

/** Left or upper neighbour of each output sample, and how far (0…1) it lies towards the next one. */
interface Neighbours {
  readonly first: Int32Array
  readonly second: Int32Array
  readonly fraction: Float32Array
}

/**
 * OpenCV's and TensorFlow's bilinear resize in floating point: the four neighbours at half-pixel centres, no
 * filter when shrinking (zylo's and automl's preprocessing).
 *
 * @returns height × width × 3 values 0…255
 */
export function resizeBilinear(image: RgbImage, size: Size): Float32Array {
  const { data, width } = image
  const rows = neighboursOf(image.height, size.height)
  const columns = neighboursOf(width, size.width)
  const result = new Float32Array(size.height * size.width * 3)
  let at = 0
  for (let y = 0; y < size.height; y++) {
    const upper = rows.first[y] * width
    const lower = rows.second[y] * width
    const down = rows.fraction[y]
    for (let x = 0; x < size.width; x++) {
      const left = columns.first[x]
      const right = columns.second[x]
      const across = columns.fraction[x]
      for (let channel = 0; channel < 3; channel++) {
        const topLeft = data[(upper + left) * 3 + channel]
        const bottomLeft = data[(lower + left) * 3 + channel]
        const top = topLeft + across * (data[(upper + right) * 3 + channel] - topLeft)
        const bottom = bottomLeft + across * (data[(lower + right) * 3 + channel] - bottomLeft)
        result[at++] = top + down * (bottom - top)
      }
    }
  }
  return result
}

function neighboursOf(from: number, to: number): Neighbours {
  const first = new Int32Array(to)
  const second = new Int32Array(to)
  const fraction = new Float32Array(to)
  const scale = from / to
  for (let i = 0; i < to; i++) {
    const position = (i + 0.5) * scale - 0.5
    const before = Math.floor(position)
    // Outside of the first and last centre the border sample alone counts.
    first[i] = Math.min(Math.max(before, 0), from - 1)
    second[i] = Math.min(Math.max(before + 1, 0), from - 1)
    fraction[i] = position - before
  }
  return { first, second, fraction }
}
