import type { Size } from '../models/levels.js'
import type { ConvPadding } from '../models/spec.js'

/** ONNX `pads` of a 2-D layer: top, left, bottom, right. */
export type Pads = readonly [number, number, number, number]

/**
 * Padding before and after one axis. SAME depends on the size: for even n and stride 2 a 3-wide kernel gets
 * 0 before and 1 after, for odd n 1 and 1, as TensorFlow pads.
 */
function axisPads(n: number, kernel: number, stride: number, padding: ConvPadding): [number, number] {
  if (padding === 'symmetric') return [(kernel - 1) / 2, (kernel - 1) / 2]
  const total = Math.max((Math.ceil(n / stride) - 1) * stride + kernel - n, 0)
  const before = Math.floor(total / 2)
  return [before, total - before]
}

export function pads(size: Size, kernel: number, stride: number, padding: ConvPadding): Pads {
  const [top, bottom] = axisPads(size.height, kernel, stride, padding)
  const [left, right] = axisPads(size.width, kernel, stride, padding)
  return [top, left, bottom, right]
}
