// Prints what lies between a call and a backend's C function, with the fake backend at 1 ms a batch and 1080p frames.
//
// Run by `npm run bench:native`; the machine should be idle.
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { EfficientDet } from '#lib/index.js'
import { measurePairs, median } from './pairs.mjs'

const backendLibrary = new URL('../build/Release/libefficientdet_fake.so', import.meta.url).pathname
const WIDTH = 1920
const HEIGHT = 1080
/** As a camera's or a decoder's, they come in memory that no cache holds. */
const FRAMES = 12
const frames = Array.from({ length: FRAMES }, () => ({
  data: new Uint8Array(WIDTH * HEIGHT * 3).fill(1),
  format: 'rgb',
  width: WIDTH,
  height: HEIGHT,
}))
const tiny = { data: new Uint8Array(64 * 64 * 3), format: 'rgb', width: 64, height: 64 }
let taken = 0
const nextFrame = () => frames[taken++ % FRAMES]

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log('fake backend, 1 ms a batch, 1920×1080 RGB frames, medians\n')

// --- One caller -----------------------------------------------------------------------------------------------------

process.env.FAKE_BACKEND = 'delay=1000'
const options = {
  backend: 'tensorrt',
  backendLibrary,
  inputSize: 64,
  maxPending: 64,
  engine: { selfTest: false },
}
const detector = await EfficientDet.load('person', options)
const copy = new Uint8Array(WIDTH * HEIGHT * 3)
const { data: _, ...layout } = frames[0]
const allocated = frames.map(({ data }) => {
  const frame = detector.allocateFrame(layout)
  frame.data.set(data)
  return frame
})
for (const [name, next] of [
  ['a new frame each time', nextFrame],
  // Read in place, so that all of the copy's time is saved.
  ['allocated frames', () => allocated[taken++ % FRAMES]],
  ['one frame, in the cache', () => frames[0]],
  // Takes nearly all on the way there and back: copies are made by two threads and may be faster than a plain one.
  ['a frame of 64×64', () => tiny],
]) {
  const inBackend = []
  const [calls, copies] = await measurePairs(
    500,
    async () => {
      const { timings } = await detector.detect(next())
      inBackend.push(timings.network)
    },
    () => copy.set(next().data),
    { warmUp: 20, pause: 0 },
  )
  // What the backend took is told with every result; the first calls, which warm up, are not among those timed.
  const backend = inBackend.slice(-calls.length)
  const overhead = calls.map((time, i) => time - backend[i] - copies[i])
  const [call, inside, copied, beyond] = [calls, backend, copies, overhead].map((times) =>
    (1000 * median(times)).toFixed(0),
  )
  console.log(
    `${name.padEnd(24)} call ${call} µs, backend ${inside} µs, one copy ${copied} µs, overhead ${beyond} µs (median of pairs)`,
  )
}
for (const frame of allocated) frame.dispose()
const busyDelay = await eventLoopDelay(() => repeat(1000, () => detector.detect(nextFrame())))
const idleDelay = await eventLoopDelay(() => sleep(2000))
console.log(
  `event loop, p99          ${busyDelay} ms beyond its 1 ms timer; ${idleDelay} ms when nothing runs\n`,
)

// --- Eight callers --------------------------------------------------------------------------------------------------

const small = { data: new Uint8Array(640 * 360 * 3), format: 'rgb', width: 640, height: 360 }
for (const [name, next] of [
  ['1920×1080', nextFrame],
  ['640×360', () => small],
]) {
  const [together, explicit] = await measurePairs(
    20,
    () => Promise.all(Array.from({ length: 8 }, () => repeat(25, () => detector.detect(next())))),
    () => repeat(25, () => Promise.all(Array.from({ length: 8 }, () => detector.detect(next())))),
    { warmUp: 3, pause: 0 },
  )
  const ratio = median(explicit.map((time, i) => time / together[i]))
  console.log(
    `8 callers, ${name}: ${((200 / median(together)) * 1000).toFixed(0)} frames/s, explicit batches of 8: ${((200 / median(explicit)) * 1000).toFixed(0)} frames/s, ratio ${ratio.toFixed(2)}`,
  )
}

// --- libuv's threads ------------------------------------------------------------------------------------------------

// Batches of 20 ms: the engine has no idle moment, and this thread hardly any work.
process.env.FAKE_BACKEND = 'delay=20000'
const slow = await EfficientDet.load('person', options)
const file = new URL('../models/person/person.safetensors', import.meta.url)
let saturating = true
const [busy, alone] = [[], []]
for (let round = 0; round < 10; round++) {
  saturating = true
  const load = Array.from({ length: 16 }, async () => {
    while (saturating) await slow.detect(small)
  })
  for (let i = 0; i < 20; i++) busy.push(await timeOf(() => readFile(file)))
  saturating = false
  await Promise.all(load)
  for (let i = 0; i < 20; i++) alone.push(await timeOf(() => readFile(file)))
}
await slow.dispose()
console.log(
  `\nreading a file           ${median(alone).toFixed(2)} ms alone, ${median(busy).toFixed(2)} ms beside a saturated engine (${(median(busy) / median(alone)).toFixed(2)}×)`,
)
await detector.dispose()

/** The 99th percentile of how much later than due a timer of 1 ms comes while something runs. */
async function eventLoopDelay(run) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await run()
  delay.disable()
  return (delay.percentile(99) / 1e6 - 1).toFixed(2)
}

async function repeat(times, call) {
  for (let i = 0; i < times; i++) await call()
}

async function timeOf(call) {
  const start = performance.now()
  await call()
  return performance.now() - start
}
