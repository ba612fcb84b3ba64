// Two detectors that load, which captures a graph for each batch size, run all sizes and end, again and again.
//
// What one does at the device must not spoil the other's captures.
import { differenceOf, known, loadKnown, OPTIONS } from './known-detector.js'
import { check, IS_DRY } from './step.js'

const LOADS = IS_DRY ? 4 : 1000
const SECONDS = 30
const MAX_BATCH = 8
const CONTEXTS = 2
/** Rounds of all batch sizes after which there are graphs. */
const ROUNDS = 50

type Detector = Awaited<ReturnType<typeof loadKnown>>

const answers = await known(MAX_BATCH, 64, MAX_BATCH)
const until = performance.now() + 1000 * SECONDS
const faults: string[] = []
let loads = 0
let batches = 0
/** Detectors that run a batch size without a graph after all rounds. */
let spoilt = 0
let last: object = []
await Promise.all([life(), life()])
check(faults.length === 0 && spoilt === 0 && loads >= 2, {
  loads,
  batches,
  spoilt,
  faults: faults.length,
  first: faults[0] ?? null,
  graphs: last,
})

async function life(): Promise<void> {
  while (loads < LOADS && performance.now() < until) {
    loads++
    try {
      const detector = await loadKnown(answers, { contexts: CONTEXTS, maxPending: 4 * MAX_BATCH })
      // A capture gives way to the other's load, and is tried again with the next batch.
      for (let round = 0; round < ROUNDS && (round === 0 || lacksGraph(detector)); round++) {
        for (let size = 1; size <= MAX_BATCH; size++) await batch(detector, size)
      }
      if (lacksGraph(detector)) spoilt++
      last = detector.backend.gpus[0].graphs
      await detector.dispose()
    } catch (error) {
      faults.push(String(error))
    }
  }
}

/** Whether batches of some size run without a graph in all contexts. */
function lacksGraph(detector: Detector): boolean {
  return detector.backend.gpus[0].graphs.some(({ contexts }) => contexts === 0)
}

async function batch(detector: Detector, size: number): Promise<void> {
  batches++
  const results = await Promise.all(
    answers.frames.slice(0, size).map((frame) => detector.detect(frame, OPTIONS)),
  )
  for (const [i, result] of results.entries()) {
    const fault = differenceOf(result, answers.references[i])
    if (fault !== null) faults.push(fault)
  }
}
