// Streams 50,000 picture files, or as many as given, through the CPU backend and prints memory and the event loop's
// delay as it goes: `npm run bench:pictures`. Needs ../shared.
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { EfficientDet } from '#lib/index.js'

const PICTURES = Number(process.argv[2] ?? 50_000)
const STEP = PICTURES / 10
const folder = fileURLToPath(new URL('../../shared/data/person/val/', import.meta.url))
const files = readdirSync(folder)
  .sort()
  .map((name) => folder + name)

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(`${PICTURES} times one of ${files.length} photographs of person/val through \`stream\`\n`)
const detector = await EfficientDet.load('person', { backend: 'cpu' })

function* pictures() {
  for (let i = 0; i < PICTURES; i++) yield files[i % files.length]
}

console.log(
  '| pictures | resident MB | heap MB | outside of it MB | pictures/s | event loop, p99 beyond 1 ms |',
)
console.log('| ---: | ---: | ---: | ---: | ---: | ---: |')
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
let [count, since] = [0, performance.now()]
const resident = []
for await (const _ of detector.stream(pictures())) {
  if (++count % STEP !== 0) continue
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  resident.push(rss)
  const seconds = (performance.now() - since) / 1000
  const late = Math.max(0, delay.percentile(99) / 1e6 - 1)
  const cells = [rss / 1e6, heapUsed / 1e6, external / 1e6, STEP / seconds, late]
  console.log(`| ${count} | ${cells.map((cell) => cell.toFixed(1)).join(' | ')} |`)
  delay.reset()
  since = performance.now()
}
await detector.dispose()
const [first, last] = [resident[0], resident.at(-1)]
console.log(`\n${detector.backend.description}`)
console.log(
  `resident after ${STEP}: ${(first / 1e6).toFixed(1)} MB, after ${PICTURES}: ${(last / 1e6).toFixed(1)} MB (${(100 * (last / first - 1)).toFixed(1)} %)`,
)
if (last > 1.1 * first) process.exitCode = 1
