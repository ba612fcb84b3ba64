// A server's worst hour: pictures of strangers, eight at a time, in a process that may grow by a gigabyte.
//
//   node test/hostile/worst-hour.mjs [COUNT] [SEED]
//
// Prints one line of JSON: what became of them, what was wrong, and memory.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EfficientDet, EfficientDetError } from '#lib/index.js'
import { pictures } from './pictures.mjs'

const COUNT = Number(process.argv[2] ?? 500)
const AT_A_TIME = 8
/**
 * Bytes of address space, over what Node, the network's threads and libvips' have reserved when pictures begin to
 * come.
 */
const GROWTH = 2 ** 30
/** Milliseconds for a call, waiting included; those of hostile pictures end by themselves. */
const PATIENCE = 120_000

const status = (name) =>
  1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1])

let state = Number(process.argv[3] ?? 1)
const below = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}

const folder = mkdtempSync(join(tmpdir(), 'efficientdet-hour-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const all = await pictures(folder)
const good = all.filter(({ kind }) => kind === 'good')
const others = all.filter(({ kind }) => kind !== 'good')

const detector = await EfficientDet.load('person', {
  backend: 'cpu',
  threads: 2,
  maxPixels: 16e6,
  maxPendingBytes: 2 ** 26,
})

const answer = async ({ source }) => {
  const { width, height, pages, detections, warnings } = await detector.detect(source(), {
    scoreThreshold: 0.1,
    signal: AbortSignal.timeout(PATIENCE),
  })
  return JSON.stringify({ width, height, pages, detections, warnings })
}

/** What each good picture gives alone. */
const alone = new Map()
for (const picture of good) alone.set(picture.name, await answer(picture))
// libuv's and libvips' threads are there now, each with the arena and the stack that it reserves.
await Promise.all(Array.from({ length: AT_A_TIME }, () => answer(good[0])))
const limit = status('VmSize') + GROWTH
execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${limit}`])

const begun = status('VmRSS')
const counts = { answered: 0, refused: 0 }
const codes = {}
const faults = []
const slowest = { name: '', milliseconds: 0 }

async function one(picture) {
  const begin = performance.now()
  try {
    const found = await answer(picture)
    counts.answered++
    if (picture.kind === 'bad') faults.push(`${picture.name}: was answered`)
    if (picture.kind === 'good' && found !== alone.get(picture.name)) {
      faults.push(`${picture.name}: ${found} instead of ${alone.get(picture.name)}`)
    }
  } catch (error) {
    counts.refused++
    const code = error instanceof EfficientDetError ? error.code : `untyped: ${error.stack}`
    codes[code] = (codes[code] ?? 0) + 1
    if (!(error instanceof EfficientDetError) || picture.kind === 'good')
      faults.push(`${picture.name}: ${error.message}`)
  }
  const milliseconds = Math.round(performance.now() - begin)
  if (process.env.VERBOSE)
    console.error(milliseconds, picture.kind, picture.name, Math.round(status('VmRSS') / 1e6))
  if (milliseconds > slowest.milliseconds) Object.assign(slowest, { name: picture.name, milliseconds })
}

// Every one of them comes at least once.
const queue = Array.from({ length: COUNT }, (_, i) =>
  i < others.length ? others[i] : below(5) < 2 ? good[below(good.length)] : others[below(others.length)],
)
for (let i = queue.length - 1; i > 0; i--) {
  const j = below(i + 1)
  ;[queue[i], queue[j]] = [queue[j], queue[i]]
}
/** Megabytes after each quarter: an allocator fills up, a leak goes on. */
const level = []
await Promise.all(
  Array.from({ length: AT_A_TIME }, async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      await one(next)
      if (queue.length > 0 && queue.length % Math.ceil(COUNT / 4) === 0)
        level.push(Math.round(status('VmRSS') / 1e6))
    }
  }),
)
console.log(
  JSON.stringify({
    pictures: COUNT,
    ...counts,
    codes,
    faults,
    slowest,
    megabytes: {
      begun: Math.round(begun / 1e6),
      level,
      ended: Math.round(status('VmRSS') / 1e6),
      peak: Math.round(status('VmHWM') / 1e6),
    },
  }),
)
await detector.dispose()
