import { float64, int32 } from './scratch.js'

/**
 * Assigns rows to columns, one to one, so that the sum of what they gain is the largest: shortest augmenting paths
 * with potentials (Jonker and Volgenant; Crouse 2016).
 *
 * Written here because equal sums must be resolved as scipy's `linear_sum_assignment` does, which the reference
 * trackers use; libraries of npm choose others.
 *
 * @param gain rows × columns, finite
 * @returns of each row its column, or −1 where there are more rows than columns; good until the next call
 */
export function assign(gain: Float32Array, rows: number, columns: number): Int32Array {
  const costs = costMemory(rows * columns)
  if (rows <= columns) {
    for (let i = 0; i < rows * columns; i++) costs[i] = -gain[i]
    return augmentAll(costs, rows, columns).subarray(0, rows)
  }
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) costs[j * rows + i] = -gain[i * columns + j]
  }
  const ofColumn = augmentAll(costs, columns, rows)
  const ofRow = rowMemory(rows).fill(-1, 0, rows)
  for (let column = 0; column < columns; column++) ofRow[ofColumn[column]] = column
  return ofRow.subarray(0, rows)
}

const costMemory = float64()
const rowMemory = int32()
const columnOfMemory = int32()
const rowOfMemory = int32()
const rowPotentialMemory = float64()
const columnPotentialMemory = float64()
const distanceMemory = float64()
const beforeMemory = int32()
const openMemory = int32()

/** Gives each row in turn a column by the cheapest path over columns that others have. */
function augmentAll(costs: Float64Array, rows: number, columns: number): Int32Array {
  const columnOf = columnOfMemory(rows).fill(-1, 0, rows)
  const rowOf = rowOfMemory(columns).fill(-1, 0, columns)
  const rowPotential = rowPotentialMemory(rows).fill(0, 0, rows)
  const columnPotential = columnPotentialMemory(columns).fill(0, 0, columns)
  const distance = distanceMemory(columns)
  const before = beforeMemory(columns)
  const open = openMemory(columns)

  for (let first = 0; first < rows; first++) {
    // In descending order, so that equal costs give the identity.
    for (let i = 0; i < columns; i++) open[i] = columns - 1 - i
    distance.fill(Number.POSITIVE_INFINITY, 0, columns)
    let left = columns
    let row = first
    let length = 0
    let free = -1
    while (free < 0) {
      const base = row * columns
      const potential = rowPotential[row]
      let nearest = -1
      let least = Number.POSITIVE_INFINITY
      for (let i = 0; i < left; i++) {
        const column = open[i]
        const reached = length + costs[base + column] - potential - columnPotential[column]
        if (reached < distance[column]) {
          distance[column] = reached
          before[column] = row
        }
        const known = distance[column]
        // Among equals a column that nobody has ends the search.
        if (known < least || (known === least && rowOf[column] < 0)) {
          least = known
          nearest = i
        }
      }
      length = least
      const column = open[nearest]
      // Closed columns gather behind the open ones.
      open[nearest] = open[--left]
      open[left] = column
      if (rowOf[column] < 0) free = column
      else row = rowOf[column]
    }

    rowPotential[first] += length
    for (let i = left; i < columns; i++) {
      const column = open[i]
      const rest = length - distance[column]
      columnPotential[column] -= rest
      if (rowOf[column] >= 0) rowPotential[rowOf[column]] += rest
    }
    for (let column = free; ; ) {
      const owner = before[column]
      rowOf[column] = owner
      const next = columnOf[owner]
      columnOf[owner] = column
      if (owner === first) break
      column = next
    }
  }
  return columnOf
}
