import type { Size } from '../models/levels.js'
import type { RgbImage } from './rgb.js'

/** Fixed-point fraction bits: 8-bit samples times weights that sum to 1 stay below 2³¹. */
const FRACTION_BITS = 22
const HALF = 1 << (FRACTION_BITS - 1)

/** The weights with which samples of a line make each sample of a resized line. */
interface Taps {
  /** First source sample of each output sample. */
  readonly first: Int32Array
  /** Number of source samples of each. */
  readonly count: Int32Array
  /** `stride` fixed-point weights per output sample. */
  readonly weights: Int32Array
  readonly stride: number
}

/**
 * Pillow's bilinear resize, bit for bit (`Resample.c`), as effdet uses: a triangle filter that widens when shrinking,
 * rows first, then columns, with 8-bit samples in between.
 *
 * Pillow 13 begins with the columns of tall images, which changes samples by one level; the versions that people
 * trained with do not.
 */
export function resizeAntialiased(image: RgbImage, size: Size): RgbImage {
  if (image.width === size.width && image.height === size.height) return image
  return resizeColumns(resizeRows(image, size.width), size.height)
}

function resizeRows(image: RgbImage, width: number): RgbImage {
  if (image.width === width) return image
  const { first, count, weights, stride } = tapsOf(image.width, width)
  const { data: source, height } = image
  const data = new Uint8Array(width * height * 3)
  let at = 0
  for (let y = 0; y < height; y++) {
    const row = y * image.width * 3
    for (let x = 0; x < width; x++) {
      let from = row + first[x] * 3
      const end = x * stride + count[x]
      let red = HALF
      let green = HALF
      let blue = HALF
      for (let i = x * stride; i < end; i++) {
        const weight = weights[i]
        red += Math.imul(weight, source[from])
        green += Math.imul(weight, source[from + 1])
        blue += Math.imul(weight, source[from + 2])
        from += 3
      }
      // Weights are not negative and sum to 1 within rounding, so no sample leaves 0…255.
      data[at++] = red >> FRACTION_BITS
      data[at++] = green >> FRACTION_BITS
      data[at++] = blue >> FRACTION_BITS
    }
  }
  return { data, width, height }
}

function resizeColumns(image: RgbImage, height: number): RgbImage {
  if (image.height === height) return image
  const { first, count, weights, stride } = tapsOf(image.height, height)
  const { data: source, width } = image
  const rowBytes = width * 3
  const data = new Uint8Array(rowBytes * height)
  const sums = new Int32Array(rowBytes)
  for (let y = 0; y < height; y++) {
    // Whole rows are added up one after another, which walks through memory in order.
    sums.fill(HALF)
    for (let i = 0; i < count[y]; i++) {
      const weight = weights[y * stride + i]
      const from = (first[y] + i) * rowBytes
      for (let x = 0; x < rowBytes; x++) sums[x] += Math.imul(weight, source[from + x])
    }
    const to = y * rowBytes
    for (let x = 0; x < rowBytes; x++) data[to + x] = sums[x] >> FRACTION_BITS
  }
  return { data, width, height }
}

function tapsOf(from: number, to: number): Taps {
  const scale = from / to
  const support = Math.max(scale, 1)
  const stride = Math.ceil(support) * 2 + 1
  const first = new Int32Array(to)
  const count = new Int32Array(to)
  const weights = new Int32Array(to * stride)
  const line = new Float64Array(stride)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale
    const start = Math.max(0, Math.trunc(centre - support + 0.5))
    const end = Math.min(from, Math.trunc(centre + support + 0.5))
    let sum = 0
    for (let j = start; j < end; j++) {
      // Pillow multiplies by the reciprocal, which may differ from a division in the last bit.
      const weight = Math.max(0, 1 - Math.abs((j - centre + 0.5) * (1 / support)))
      line[j - start] = weight
      sum += weight
    }
    first[i] = start
    count[i] = end - start
    for (let j = 0; j < end - start; j++) {
      const share = sum === 0 ? line[j] : line[j] * (1 / sum)
      weights[i * stride + j] = Math.trunc(0.5 + share * (1 << FRACTION_BITS))
    }
  }
  return { first, count, weights, stride }
}
