/** Numbers that are kept, far more than people and cars in one picture make. */
const MAX_KEPT = 2 ** 18

/**
 * Memory for one step of a computation, the same for each call: new typed arrays cost more than the computing, by
 * the garbage that they leave.
 *
 * @returns at least as many numbers as asked for, of any value; they are good until the next call
 */
export function scratch<T extends { readonly length: number }>(
  create: (length: number) => T,
): (length: number) => T {
  let kept = create(0)
  return (length) => {
    if (length <= kept.length) return kept
    const memory = create(Math.min(2 * length, Math.max(length, MAX_KEPT)))
    if (memory.length <= MAX_KEPT) kept = memory
    return memory
  }
}

export const float32 = () => scratch((length) => new Float32Array(length))
export const float64 = () => scratch((length) => new Float64Array(length))
export const int32 = () => scratch((length) => new Int32Array(length))
