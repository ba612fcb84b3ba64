/**
 * Times two functions in turns, so that whatever else the machine does meets both. The order within a pair
 * alternates, and the first pairs, which warm caches up, are dropped.
 *
 * @returns milliseconds of each, pair by pair
 */
export async function measurePairs(repetitions, first, second, warmUp = 3) {
  const times = [[], []]
  for (let i = -warmUp; i < repetitions; i++) {
    const order = i % 2 === 0 ? [0, 1] : [1, 0]
    for (const which of order) {
      const start = performance.now()
      await [first, second][which]()
      if (i >= 0) times[which].push(performance.now() - start)
    }
  }
  return times
}

export function median(values) {
  return percentile(values, 0.5)
}

/** @param fraction 0…1 */
export function percentile(values, fraction) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))]
}
