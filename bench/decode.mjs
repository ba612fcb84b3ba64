// Prints what `decode: 'fast'` saves of a photograph of 12 megapixels: detect() as a whole, and its decoding, in pairs.
//
// Run by `npm run bench:decode`; the machine should be idle. The photograph is ../shared's traffic, enlarged.
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { EfficientDet } from '#lib/index.js'
import { measurePairs, median } from './pairs.mjs'

const REPETITIONS = 15
const [WIDTH, HEIGHT] = [4000, 3000]

const traffic = fileURLToPath(new URL('../../shared/data/pictures/traffic-1080p.png', import.meta.url))
const photograph = await sharp(traffic)
  .resize(WIDTH, HEIGHT, { fit: 'fill', kernel: 'cubic' })
  .jpeg({ quality: 90 })
  .toBuffer()
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(
  `JPEG of ${WIDTH}×${HEIGHT}, ${(photograph.length / 1e6).toFixed(1)} MB, person; ${REPETITIONS} paired runs, medians\n`,
)
const detector = await EfficientDet.load('person')
const stages = { exact: [], fast: [] }
const detect = async (decode) => {
  stages[decode].push((await detector.detect(photograph, { decode })).timings)
}
const [exact, fast] = await measurePairs(
  REPETITIONS,
  () => detect('exact'),
  () => detect('fast'),
)
for (const [decode, times] of Object.entries({ exact, fast })) {
  const measured = stages[decode].slice(-REPETITIONS)
  const names = ['decode', 'preprocess', 'network', 'postprocess']
  const shown = names.map((name) => `${name} ${median(measured.map((timings) => timings[name])).toFixed(1)}`)
  console.log(`${decode.padEnd(6)} ${median(times).toFixed(1)} ms: ${shown.join(', ')}`)
}
console.log(`ratio  ${(median(exact) / median(fast)).toFixed(2)}`)
await detector.dispose()
