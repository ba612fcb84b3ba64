/** bfloat16 is the upper half of a float32. Such numbers travel as their bits, for JavaScript has no array of them. */

/** Converts exactly. */
export function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer)
}

/** Rounds to nearest, ties to even; the largest float32 numbers become ±Infinity, NaN stays NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return Uint16Array.from(bits, (x) => {
    if ((x & 0x7fffffff) > 0x7f800000) return (x >>> 16) | 0x40
    return (x + 0x7fff + ((x >>> 16) & 1)) >>> 16
  })
}
