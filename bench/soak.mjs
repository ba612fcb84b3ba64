// Sends 200,000 frames, or as many as given, through the fake backend and prints whether memory and handles stay
// level.
//
// Run by `npm run bench:soak`, which gives V8's young generation its final size at once: it would double on the way,
// by itself.
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { EfficientDet } from '#lib/index.js'
import { median } from './pairs.mjs'

const FRAMES = Number(process.argv[2] ?? 200_000)
const CALLERS = 16
const SAMPLES = 200

const backendLibrary = new URL('../build/Release/libefficientdet_fake.so', import.meta.url).pathname
process.env.FAKE_BACKEND = 'delay=0 found=20'
const handles = () => readdirSync('/proc/self/fd').length
const threads = () => readdirSync('/proc/self/task').length

const detector = await EfficientDet.load('person', {
  backend: 'tensorrt',
  backendLibrary,
  inputSize: 64,
  engine: { selfTest: false },
})
const frame = { data: new Uint8Array(320 * 240 * 3), format: 'rgb', width: 320, height: 240 }
await detector.detect(frame)
const before = { handles: handles(), threads: threads() }
const memory = []
let sent = 0
let sampled = 0
const start = performance.now()
await Promise.all(
  Array.from({ length: CALLERS }, async () => {
    while (sent < FRAMES) {
      sent++
      await detector.detect(frame)
      if (sent >= ((sampled + 1) * FRAMES) / SAMPLES) {
        sampled++
        memory.push(process.memoryUsage.rss())
      }
    }
  }),
)
const seconds = (performance.now() - start) / 1000
const quarter = (i) => median(memory.slice((i * memory.length) / 4, ((i + 1) * memory.length) / 4)) / 2 ** 20
const [second, last] = [quarter(1), quarter(3)]
const after = { handles: handles(), threads: threads() }
await detector.dispose()

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(`${FRAMES} frames of 320×240 by ${CALLERS} callers in ${seconds.toFixed(1)} s`)
console.log(
  `resident memory, medians: second quarter ${second.toFixed(1)} MiB, last ${last.toFixed(1)} MiB (${(100 * (last / second - 1)).toFixed(1)} %)`,
)
console.log(
  `handles ${before.handles} → ${after.handles}, threads ${before.threads} → ${after.threads}, after dispose ${handles()} and ${threads()}`,
)
