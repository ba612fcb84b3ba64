// 64 concurrent callers in all formats, of which some abort: each gets its own answer, which is the CPU's.
import { setTimeout as sleep } from 'node:timers/promises'
import { differenceOf, known, loadKnown, OPTIONS } from './known-detector.js'
import { check, IS_DRY } from './step.js'

const CALLERS = 64
const ROUNDS = IS_DRY ? 2 : 30
const KINDS = 14

const answers = await known(KINDS, 128, 8)
const detector = await loadKnown(answers, { contexts: 2, maxPending: CALLERS })
const reason = new Error('no longer needed')
const counts = { answered: 0, aborted: 0 }
const faults: string[] = []
for (let round = 0; round < ROUNDS; round++) {
  const controllers = Array.from({ length: CALLERS }, () => new AbortController())
  const calls = controllers.map(({ signal }, i) =>
    detector.detect(answers.frames[(i + round) % KINDS], { ...OPTIONS, signal }),
  )
  const settled = Promise.allSettled(calls)
  // At once, when none can have been answered yet, and while they run.
  if (round > 0) await sleep(round % 5)
  const aborts = (i: number) => (i + round) % 5 === 0
  for (const [i, controller] of controllers.entries()) if (aborts(i)) controller.abort(reason)
  for (const [i, outcome] of (await settled).entries()) {
    if (outcome.status === 'fulfilled') {
      counts.answered++
      const fault = differenceOf(outcome.value, answers.references[(i + round) % KINDS])
      if (fault !== null) faults.push(fault)
    } else if (aborts(i) && outcome.reason === reason) counts.aborted++
    else faults.push(String(outcome.reason))
  }
}
check(faults.length === 0 && counts.answered > 0 && counts.aborted > 0, {
  callers: CALLERS,
  rounds: ROUNDS,
  ...counts,
  faults: faults.length,
  first: faults[0] ?? null,
  gpus: detector.backend.gpus,
})
await detector.dispose()
