// Checks engines that TensorRT builds and runs on the GPU here, against the CPU backend, and writes it to bench/results.
// Says why where there is none.
//
//   node gpu/engines.mjs [--short]   (after npm run build && npm run build:native; run.sh --tensorrt does it too)
//
// --short: float16 alone, and fewer frames.
// TENSORRT_PATH may name the folder of TensorRT's libraries, TENSORRT_FAMILY which (tensorrt10, tensorrt11,
// tensorrt-rtx).
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { attempt, gpuMachine, gpuOptions, withDetector, writeResults } from '../bench/gpu-machine.mjs'
import { gpuModels } from '../bench/gpu-models.mjs'
import { median } from '../bench/pairs.mjs'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const isShort = process.argv.includes('--short')
const FRAMES = isShort ? 5000 : 100_000
const PRECISIONS = isShort ? ['fp16'] : ['fp32', 'fp16']
/** fp32: boxes within 0.1 px, scores within 1e-3; fp16: overlap of 0.99 or more, from a score of 0.3 on. */
const LIMITS = { fp32: { box: 0.1, score: 1e-3, threshold: 0.3 }, fp16: { iou: 0.99, threshold: 0.3 } }

const machine = await gpuMachine()
if (machine !== null) {
  console.log(`${machine.description}, ${machine.devices.map(({ name }) => name).join(', ')}`)
  const results = []
  const note = async (check, run) => {
    results.push(await attempt(check, run))
    console.log(JSON.stringify(results.at(-1)))
  }
  for (const { name, model } of await gpuModels()) {
    for (const precision of PRECISIONS) {
      await note(`${name} ${precision} agrees with the CPU`, (check) => comparison(check, model, precision))
    }
  }
  await note(`memory over ${FRAMES} frames`, soak)
  await writeResults('gpu-checks', machine, results)
  if (results.some(({ passed }) => !passed)) process.exitCode = 1
}

/** Detections of the GPU and of the CPU on all pictures. */
async function comparison(check, model, precision) {
  const { threshold, ...limits } = LIMITS[precision]
  return withDetector(model, gpuOptions(precision), (gpu) =>
    withDetector(model, { backend: 'cpu' }, async (cpu) => {
      const { detections, worst } = await compare(gpu, cpu, threshold)
      const passed =
        detections > 0 &&
        worst.missing === 0 &&
        worst.box <= (limits.box ?? Infinity) &&
        worst.score <= (limits.score ?? Infinity) &&
        worst.iou >= (limits.iou ?? 0)
      const { selfTest } = gpu.backend.gpus[0]
      return { check, passed, detections, worst, selfTest }
    }),
  )
}

async function compare(gpu, cpu, threshold) {
  const worst = { box: 0, score: 0, iou: 1, missing: 0 }
  let detections = 0
  for (const picture of await pictures()) {
    const { detections: expected } = await cpu.detect(picture, { scoreThreshold: threshold })
    // A little below, for a score of just above the threshold may fall under it.
    const { detections: found } = await gpu.detect(picture, { scoreThreshold: 0.9 * threshold })
    for (const detection of expected) {
      detections++
      const match = bestMatch(detection, found)
      if (match === undefined) {
        worst.missing++
        continue
      }
      worst.iou = Math.min(worst.iou, iou(match.box, detection.box))
      worst.score = Math.max(worst.score, Math.abs(match.score - detection.score))
      worst.box = Math.max(worst.box, ...match.box.map((side, i) => Math.abs(side - detection.box[i])))
    }
  }
  return { detections, worst }
}

/** Memory of the process over many frames of changing size. */
async function soak(check) {
  const options = { ...gpuOptions('fp16'), maxPending: 32 }
  const memory = await withDetector('person', options, memoryOverFrames)
  const quarter = (i) =>
    median(memory.slice((i * memory.length) / 4, ((i + 1) * memory.length) / 4)) / 2 ** 20
  const [second, last] = [quarter(1), quarter(3)]
  return {
    check,
    passed: last <= 1.02 * second,
    secondQuarterMiB: second,
    lastQuarterMiB: last,
  }
}

async function memoryOverFrames(gpu) {
  const data = new Uint8Array(1280 * 720 * 3).fill(100)
  const memory = []
  let sent = 0
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (sent < FRAMES) {
        const width = 320 + (sent % 97) * 8
        sent++
        await gpu.detect({ data, format: 'rgb', width, height: 720, stride: 1280 * 3 })
        if (sent % 500 === 0) memory.push(process.memoryUsage.rss())
      }
    }),
  )
  return memory
}

async function pictures() {
  const folder = path('../../shared/data/pictures')
  if (!existsSync(folder)) return [path('../models/person/person.jpg')]
  const names = await readdir(folder)
  return names.filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).map((name) => `${folder}/${name}`)
}

function bestMatch({ classId, box }, found) {
  const rivals = found.filter((other) => other.classId === classId)
  const [best] = rivals.sort((a, b) => iou(b.box, box) - iou(a.box, box))
  return best !== undefined && iou(best.box, box) > 0.5 ? best : undefined
}

function iou(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]))
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]))
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1)
  return (width * height) / (area(a) + area(b) - width * height)
}
