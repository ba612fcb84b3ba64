import { bfloat16ToFloat32 } from '../base/bfloat16.js'
import { float16ToFloat32 } from '../base/float16.js'
import type { DType } from './tensor.js'

/**
 * Little-endian elements as float32; float64 and integers beyond 2²⁴ are rounded to nearest. The bytes must be a
 * buffer of their own (offset 0), which float32 uses.
 */
export function elementsToFloat32(bytes: Uint8Array, dtype: DType): Float32Array {
  const { buffer } = bytes
  switch (dtype) {
    case 'float64':
      return new Float32Array(new Float64Array(buffer))
    case 'float32':
      return new Float32Array(buffer)
    case 'float16':
      return float16ToFloat32(new Uint16Array(buffer))
    case 'bfloat16':
      return bfloat16ToFloat32(new Uint16Array(buffer))
    case 'int64':
      return Float32Array.from(new BigInt64Array(buffer), Number)
    case 'int32':
      return new Float32Array(new Int32Array(buffer))
    case 'int16':
      return new Float32Array(new Int16Array(buffer))
    case 'int8':
      return new Float32Array(new Int8Array(buffer))
    case 'uint8':
      return new Float32Array(bytes)
    case 'bool':
      return Float32Array.from(bytes, (value) => (value === 0 ? 0 : 1))
  }
}

/**
 * The number of elements of a shape (1 for a scalar), or undefined where a dimension is no whole number ≥ 0 or the
 * product cannot be counted exactly.
 */
export function elementCount(shape: readonly unknown[]): number | undefined {
  let count = 1
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined
    count *= size
  }
  return Number.isSafeInteger(count) ? count : undefined
}
