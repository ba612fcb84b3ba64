/** Largest finite half number. */
const LARGEST = 65504

/** Splits a double so that its first 11 significant bits, a half number's, are left (Dekker's splitting). */
const SPLITTER = 2 ** 42 + 1

/** Below it, half numbers are multiples of 2⁻²⁴. */
const SMALLEST_NORMAL = 2 ** -14

/**
 * Rounds weights to half numbers, carrying each error to the next weight, so that those of a filter add up to less
 * than one rounding.
 *
 * The sum of the errors moves the output, as a filter's inputs are alike in their mean; by itself it grows with their
 * number.
 *
 * @param values filters × weights of one, magnitudes below 65520
 */
export function roundToHalf(values: Float32Array, filters: number): Float32Array {
  const rounded = new Float32Array(values.length)
  const perFilter = values.length / filters
  for (let start = 0; start < values.length; start += perFilter) {
    let carry = 0
    for (let i = start; i < start + perFilter; i++) {
      const wanted = values[i] + carry
      rounded[i] = nearestHalf(wanted)
      carry = wanted - rounded[i]
    }
  }
  return rounded
}

function nearestHalf(value: number): number {
  const magnitude = Math.abs(value)
  if (magnitude < SMALLEST_NORMAL) return Math.round(value * 2 ** 24) / 2 ** 24
  if (magnitude >= LARGEST) return Math.sign(value) * LARGEST
  const scaled = value * SPLITTER
  return scaled - (scaled - value)
}
