// Times the trackers and the counting on seeded walkers: `npm run bench:tracking`, or `node bench/tracking.mjs 50` for
// that number of objects alone.
import { cpus } from 'node:os'
import { Analytics } from 'efficientdet-trt/analytics'
import { Tracker } from 'efficientdet-trt/tracking'
import { percentile } from './pairs.mjs'

const FRAME = { width: 1920, height: 1080 }
const FRAMES = 3000
const WARM_UP = 500

/** mulberry32 (T. Ettinger, public domain). */
function random(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Detections of people who walk about and are missed in a tenth of the frames. */
function scene(count) {
  const next = random(count)
  const people = Array.from({ length: count }, () => {
    return { x: next() * FRAME.width, y: next() * FRAME.height, dx: 8 * next() - 4, dy: 8 * next() - 4 }
  })
  return Array.from({ length: FRAMES }, () =>
    people.flatMap((person) => {
      person.x = (person.x + person.dx + FRAME.width) % FRAME.width
      person.y = (person.y + person.dy + FRAME.height) % FRAME.height
      const [x, y] = [person.x + next(), person.y + next()]
      if (next() < 0.1) return []
      return [{ label: 'person', classId: 0, score: 0.3 + 0.7 * next(), box: [x - 20, y - 80, x + 20, y] }]
    }),
  )
}

const zones = {
  lines: [{ name: 'line', from: [0, 540], to: [1920, 540] }],
  zones: [
    {
      name: 'zone',
      points: [
        [480, 270],
        [1440, 270],
        [1440, 810],
        [480, 810],
      ],
    },
  ],
  heatMap: { columns: 64, rows: 36 },
}

function measure(count, algorithm) {
  const frames = scene(count)
  const tracker = new Tracker({ algorithm, frameRate: 25 })
  const analytics = new Analytics(zones, FRAME)
  const tracking = []
  const counting = []
  for (const [i, detections] of frames.entries()) {
    const start = performance.now()
    const tracked = tracker.update(detections, i / 25)
    const between = performance.now()
    analytics.update(tracked)
    const end = performance.now()
    if (i < WARM_UP) continue
    tracking.push(1000 * (between - start))
    counting.push(1000 * (end - between))
  }
  const shown = (times) =>
    `${percentile(times, 0.5).toFixed(0)} µs, p99 ${percentile(times, 0.99).toFixed(0)}`
  console.log(
    `${String(count).padStart(3)} objects  ${algorithm.padEnd(9)}  a frame ${shown(tracking)};  a line, a zone, a heat map ${shown(counting)}`,
  )
}

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}; medians of ${FRAMES - WARM_UP} frames`,
)
const counts = process.argv.slice(2).map(Number)
for (const count of counts.length > 0 ? counts : [10, 50, 200])
  for (const algorithm of ['bytetrack', 'ocsort']) measure(count, algorithm)
