// Times a clip to an annotated one, with tracking, in turns with the same by hand in Python (bench/video/by_hand.py).
//
// node bench/video.mjs CLIP [rounds]; PYTHON names an interpreter that has what that script needs.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EfficientDet, exportOnnx, VERSION } from '#lib/index.js'
import { anchorBoxes } from '#lib/models/anchors.js'
import { analyse, annotatedVideo } from '#lib/video.js'
import { median } from './pairs.mjs'

const [clip, rounds = '5'] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'efficientdet-bench-'))
const path = (name) => join(folder, name)
const detector = await EfficientDet.load('person')
const { inputSize, anchors } = detector.model
await exportOnnx('person', path('person.onnx'))
writeFileSync(path('anchors.f32'), new Uint8Array(anchorBoxes(inputSize, 7, anchors).buffer))

async function ours() {
  const start = performance.now()
  const { streams, sinks } = await analyse({
    streams: [{ source: clip, name: 'clip' }],
    detector,
    detect: { scoreThreshold: 0.1 },
    sinks: [await annotatedVideo(path('ours.mp4'))],
  })
  if (sinks[0].error !== null || sinks[0].lost > 0) throw sinks[0].error ?? new Error('frames were lost')
  return { frames: streams[0].frames, seconds: (performance.now() - start) / 1000 }
}

function byHand() {
  const script = fileURLToPath(new URL('video/by_hand.py', import.meta.url))
  const args = [script, clip, path('person.onnx'), path('anchors.f32'), path('by-hand.mp4')]
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
  return JSON.parse(
    execFileSync(process.env.PYTHON ?? 'python3', args, options)
      .trim()
      .split('\n')
      .at(-1),
  )
}

const rate = ({ frames, seconds }) => frames / seconds
const pairs = []
for (let round = 0; round < Number(rounds); round++) {
  const order = round % 2 === 0 ? [ours, byHand] : [byHand, ours]
  const results = new Map()
  for (const run of order) results.set(run, await run())
  const pair = [results.get(ours), results.get(byHand)]
  if (pair[0].frames !== pair[1].frames) throw new Error(`${pair[0].frames} frames against ${pair[1].frames}`)
  pairs.push(pair)
  console.log(`round ${round + 1}: ${pair.map((run) => `${rate(run).toFixed(1)} fps`).join(' against ')}`)
}
await detector.dispose()
rmSync(folder, { recursive: true })

const ratios = pairs.map(([a, b]) => rate(a) / rate(b))
console.log(
  `efficientdet-trt ${VERSION}, Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model}`,
)
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${basename(clip)}, ${pairs[0][0].frames} frames, person (lite0)`,
)
console.log(`ours ${median(pairs.map(([a]) => rate(a))).toFixed(1)} fps, H.264 by libx264`)
console.log(
  `by hand in Python ${median(pairs.map(([, b]) => rate(b))).toFixed(1)} fps, MPEG-4 Part 2 by OpenCV`,
)
console.log(
  `ours / by hand: ${median(ratios).toFixed(2)} (median), ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
)
