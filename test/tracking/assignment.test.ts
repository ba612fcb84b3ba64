import { describe, expect, it } from 'vitest'
import { assign } from '#lib/tracking/assignment.js'
import fc from '../helpers/fast-check.js'

/** The largest sum of all ways to give each row of the smaller side a place. */
function best(gain: readonly (readonly number[])[]): number {
  const [first, ...rest] = gain
  if (first === undefined) return 0
  if (gain.length > first.length) return best(first.map((_, j) => gain.map((row) => row[j])))
  return Math.max(
    ...first.map((value, j) => value + best(rest.map((row) => row.filter((_, column) => column !== j)))),
  )
}

/** Few different values, so that many are equal. */
const matrix = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  .chain(([rows, columns]) =>
    fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: columns, maxLength: columns }), {
      minLength: rows,
      maxLength: rows,
    }),
  )

function assigned(gain: readonly (readonly number[])[]): number[] {
  return [...assign(Float32Array.from(gain.flat()), gain.length, gain[0].length)]
}

describe('the assignment', () => {
  it('gains as much as any', () => {
    fc.assert(
      fc.property(matrix, (gain) => {
        const columns = assigned(gain)
        const taken = columns.filter((column) => column >= 0)
        expect(taken).toHaveLength(Math.min(gain.length, gain[0].length))
        expect(new Set(taken).size).toBe(taken.length)
        expect(columns.reduce((sum, column, row) => sum + (column < 0 ? 0 : gain[row][column]), 0)).toBe(
          best(gain),
        )
      }),
    )
  })

  // Answers of scipy 1.17's linear_sum_assignment(…, maximize=True).
  it.each([
    {
      gain: [
        [0, 0, 0],
        [0, 0, 0],
      ],
      columns: [0, 1],
    },
    {
      gain: [
        [1, 1],
        [1, 1],
        [1, 1],
      ],
      columns: [0, 1, -1],
    },
    {
      gain: [
        [1, 1, 0],
        [1, 1, 0],
        [0, 1, 1],
      ],
      columns: [0, 1, 2],
    },
  ])('resolves equal sums as scipy does: $columns', ({ gain, columns }) => {
    expect(assigned(gain)).toEqual(columns)
  })
})
