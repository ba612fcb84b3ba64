/** COCO's own settings, to the last bit as numpy's `linspace` has them. */

function linspace(from: number, to: number, count: number): Float64Array {
  const step = (to - from) / (count - 1)
  return Float64Array.from({ length: count }, (_, i) => (i === count - 1 ? to : i * step + from))
}

/** Overlaps (intersection over union) from which a detection is right: 0.5, 0.55, … 0.95. */
export const OVERLAPS = linspace(0.5, 0.95, 10)

/** Places among them of 0.5 and 0.75. */
export const AT_50 = 0
export const AT_75 = 5

/** Recalls at which precision is read: 0, 0.01, … 1. */
export const RECALLS = linspace(0, 1, 101)

/** Areas of objects in square pixels, both ends included. */
export const AREAS = [
  { name: 'all', from: 0, to: 1e10 },
  { name: 'small', from: 0, to: 32 ** 2 },
  { name: 'medium', from: 32 ** 2, to: 96 ** 2 },
  { name: 'large', from: 96 ** 2, to: 1e10 },
] as const
