import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Times two functions in turns, in changing order, so that whatever else the machine does meets both. The first
 * pairs, which warm caches up, are dropped.
 *
 * @param pause milliseconds before each call, in which the threads of the one before end their busy waiting:
 *   onnxruntime's would take part of a core from the next
 * @returns for each, milliseconds of the clock, pair by pair, and in `cpu` those that this process's threads worked
 */
export async function measurePairs(repetitions, first, second, { warmUp = 3, pause = 20 } = {}) {
  const measured = [[], []]
  for (const times of measured) times.cpu = []
  for (let i = -warmUp; i < repetitions; i++) {
    const order = i % 2 === 0 ? [0, 1] : [1, 0]
    for (const which of order) {
      if (pause > 0) await sleep(pause)
      const start = performance.now()
      const used = process.cpuUsage()
      await [first, second][which]()
      const { user, system } = process.cpuUsage(used)
      if (i < 0) continue
      measured[which].push(performance.now() - start)
      measured[which].cpu.push((user + system) / 1000)
    }
  }
  return measured
}

export function median(values) {
  return percentile(values, 0.5)
}

/** @param fraction 0…1 */
export function percentile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))]
}
