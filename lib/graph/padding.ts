import type { Size } from '../models/levels.js'
import type { ConvPadding } from '../models/spec.js'

/** ONNX `pads` of a 2-D layer: top, left, bottom, right. */
export type Pads = readonly [number, number, number, number]

/**
 * Padding before and after one axis. SAME depends on n, as TensorFlow pads: width 3, stride 2 gets 0 and 1 for even
 * n, 1 and 1 for odd.
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
