// Prints how long the CPU backend takes to make network input of 1080p frames, in pairs, on one thread.
//
// Native code against its twin in TypeScript, and against Pillow's resize alone of the same RGB picture.
//
// Run by `npm run bench:preprocess`; the machine should be idle. PYTHON names an interpreter with Pillow (default
// .cache/reference/venv); without one its column is skipped.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { nativeCodes, Preprocessor } from '#lib/backends/cpu/preprocessor.js'
import { letterbox } from '#lib/image/letterbox.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { measurePairs, median } from './pairs.mjs'

const REPETITIONS = 30
const INPUT = { width: 512, height: 512 }
const [WIDTH, HEIGHT] = [1920, 1080]

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const python = process.env.PYTHON ?? path('../.cache/reference/venv/bin/python')

const samples = Uint8Array.from(
  { length: 3 * WIDTH * HEIGHT },
  (_, i) => Number((BigInt(i) * 2654435761n) >> 13n) & 255,
)
const frames = ['rgb', 'nv12'].map((format) => ({ data: samples, format, width: WIDTH, height: HEIGHT }))

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(`${WIDTH}×${HEIGHT} into 512×512; ${REPETITIONS} paired runs, medians\n`)

const print = (what, [a, b], other) =>
  console.log(
    `${what.padEnd(34)}${ms(median(a))}, ${other} ${ms(median(b))}: ${(median(b) / median(a)).toFixed(1)} times`,
  )

for (const origin of ['effdet', 'zylo']) {
  const how = preprocessingOf(origin, 'imagenet')
  const twin = new Preprocessor(INPUT, how, null)
  for (const frame of frames) {
    for (const code of nativeCodes()) {
      const native = new Preprocessor(INPUT, how, code)
      const pairs = await measurePairs(
        REPETITIONS,
        () => native.run(frame),
        () => twin.run(frame),
        { pause: 0 },
      )
      print(`${how.resize} ${frame.format} ${code}`, pairs, 'TypeScript')
    }
  }
}

if (existsSync(python)) {
  const how = preprocessingOf('effdet', 'imagenet')
  const native = new Preprocessor(INPUT, how)
  const { width, height } = letterbox({ width: WIDTH, height: HEIGHT }, INPUT)
  const script = path('../tools/reference/pillow_resize.py')
  const child = spawn(python, [script, String(width), String(height)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const [version] = await once(lines, 'line')
  const inPillow = []
  const [ours] = await measurePairs(
    REPETITIONS,
    () => native.run(frames[0]),
    async () => {
      child.stdin.write('\n')
      const [time] = await once(lines, 'line')
      inPillow.push(Number(time))
    },
    { pause: 0 },
  )
  child.stdin.end()
  // By its own clock, so that the pipe does not count.
  print('\nantialiased rgb, everything', [ours, inPillow.slice(-REPETITIONS)], `resize alone in ${version}`)
} else console.log(`\nPillow: skipped, there is no ${python} (tools/reference/setup.sh).`)

function ms(time) {
  return `${time.toFixed(2)} ms`
}
