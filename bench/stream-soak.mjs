// Streams 1,000,000 frames, or as many as given, through the fake backend and prints the heap after a collection:
// `npm run bench:stream`.
//
// It does so with and without a signal, and with a failing frame in each hundred.
import { cpus } from 'node:os'
import { EfficientDet } from '#lib/index.js'

const FRAMES = Number(process.argv[2] ?? 1_000_000)
const backendLibrary = new URL('../build/Release/libefficientdet_fake.so', import.meta.url).pathname
// Frames of zeros are refused.
process.env.FAKE_BACKEND = 'delay=0 found=20 refuse=0'

const detector = await EfficientDet.load('person', {
  backend: 'tensorrt',
  backendLibrary,
  inputSize: 64,
  engine: { selfTest: false },
})
const frame = (fill) => ({ data: new Uint8Array(64).fill(fill), format: 'grey', width: 8, height: 8 })
const [good, bad] = [frame(1), frame(0)]

function* frames(failing) {
  for (let i = 0; i < FRAMES; i++) yield { source: failing && i % 100 === 99 ? bad : good, context: i }
}

async function soak(name, { failing, signal }) {
  const heaps = []
  let failures = 0
  let count = 0
  const start = performance.now()
  const options = { maxInFlight: 16, onError: 'yield', ...(signal && { signal }) }
  for await (const outcome of detector.stream(frames(failing), options)) {
    if (outcome.context !== count) throw new Error(`Result ${count} is that of ${outcome.context}.`)
    if ('error' in outcome) failures++
    if (++count % (FRAMES / 10) === 0) {
      globalThis.gc()
      heaps.push(process.memoryUsage().heapUsed / 1e6)
    }
  }
  const seconds = (performance.now() - start) / 1000
  const [first, last] = [heaps[0], heaps.at(-1)]
  console.log(
    `${name}: ${count} results, of which ${failures} are errors, in ${seconds.toFixed(0)} s; heap after a collection at ` +
      `${FRAMES / 10}: ${first.toFixed(2)} MB, at ${FRAMES}: ${last.toFixed(2)} MB (${(last - first).toFixed(2)} MB more)`,
  )
  if (last - first > 5) process.exitCode = 1
}

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
await soak('without a signal', { failing: false })
await soak('with a signal', { failing: false, signal: new AbortController().signal })
await soak('without a signal, one of 100 fails', { failing: true })
await soak('with a signal, one of 100 fails', { failing: true, signal: new AbortController().signal })
await detector.dispose()
