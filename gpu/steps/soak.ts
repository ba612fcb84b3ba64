// Many frames of changing format and size: memory of the process and of the device stays where it was.
import { spawnSync } from 'node:child_process'
import { differenceOf, known, loadKnown, OPTIONS } from './known-detector.js'
import { check, IS_DRY } from './step.js'

const FRAMES = IS_DRY ? 400 : 20_000
const CALLERS = 32
const KINDS = 14
const SAMPLES = 40

const answers = await known(KINDS, 64, 8)
const detector = await loadKnown(answers, { contexts: 2, maxPending: CALLERS })
const faults: string[] = []
const host: number[] = []
const device: number[] = []
let sent = 0
const started = performance.now()
await Promise.all(Array.from({ length: CALLERS }, caller))
const seconds = (performance.now() - started) / 1000
await detector.dispose()

const [second, last] = [quarter(host, 1), quarter(host, 3)]
// The driver's own memory comes in steps.
const grown = device.length > 0 ? quarter(device, 3) - quarter(device, 1) : null
check(faults.length === 0 && (IS_DRY || last <= 1.02 * second) && (grown === null || grown <= 16), {
  frames: FRAMES,
  framesPerSecond: Math.round(FRAMES / seconds),
  hostMiB: [second, last].map(Math.round),
  deviceGrownMiB: grown,
  faults: faults.length,
  first: faults[0] ?? null,
})

async function caller(): Promise<void> {
  while (sent < FRAMES) {
    const i = sent++
    if (i % (FRAMES / SAMPLES) === 0) sample()
    try {
      const result = await detector.detect(answers.frames[i % KINDS], OPTIONS)
      const fault = differenceOf(result, answers.references[i % KINDS])
      if (fault !== null) faults.push(fault)
    } catch (error) {
      faults.push(String(error))
    }
  }
}

function sample(): void {
  host.push(process.memoryUsage.rss() / 2 ** 20)
  if (IS_DRY) return
  const { stdout } = spawnSync('nvidia-smi', [
    '--query-gpu=memory.used',
    '--format=csv,noheader,nounits',
    '-i',
    '0',
  ])
  const used = Number.parseInt(String(stdout), 10)
  if (Number.isFinite(used)) device.push(used)
}

/** The median of a quarter. */
function quarter(values: readonly number[], i: number): number {
  const sorted = values.slice((i * values.length) / 4, ((i + 1) * values.length) / 4).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
