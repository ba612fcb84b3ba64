// Times the evaluation of 5,000 pictures with 100 detections each, in pairs with pycocotools where PYTHON has it:
// `npm run bench:evaluate`.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cocoStats, evaluate } from 'efficientdet-trt/evaluate'
import { median } from './pairs.mjs'

const PICTURES = 5000
const DETECTIONS = 100
const CATEGORIES = 80
const PAIRS = 3
const { PYTHON = '.cache/reference/venv/bin/python' } = process.env

const PYCOCOTOOLS = `
import contextlib, io, json, resource, sys, time
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    results = truth.loadRes(sys.argv[2])
    start, used = time.perf_counter(), time.process_time()
    evaluation = COCOeval(truth, results, "bbox")
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    clock, cpu = time.perf_counter() - start, time.process_time() - used
print(json.dumps([clock, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, evaluation.stats.tolist()]))
`

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

/** Objects of COCO's number and sizes; half of the detections are near one. */
function dataSet() {
  const next = random(1)
  const category = () => 1 + Math.floor(CATEGORIES * next() ** 2)
  const images = Array.from({ length: PICTURES }, (_, i) => ({ id: i + 1 }))
  const categories = Array.from({ length: CATEGORIES }, (_, i) => ({ id: i + 1, name: `category ${i + 1}` }))
  const annotations = []
  const detections = []
  for (const { id } of images) {
    const own = Array.from({ length: 1 + Math.floor(14 * next()) }, () => {
      const [width, height] = [8 + 300 * next() ** 2, 8 + 300 * next() ** 2]
      const bbox = [next() * (640 - width), next() * (480 - height), width, height]
      const size = { bbox, area: 0.7 * width * height, iscrowd: next() < 0.01 ? 1 : 0 }
      return { id: 0, image_id: id, category_id: category(), ...size }
    })
    for (const object of own) object.id = annotations.push(object)
    for (let k = 0; k < DETECTIONS; k++) {
      const { bbox, category_id } = own[k % own.length]
      const [x, y, width, height] = bbox
      const shift = () => 0.4 * next() - 0.2
      const near = [x + width * shift(), y + height * shift(), width * (1 + shift()), height * (1 + shift())]
      const found =
        next() < 0.5
          ? { category_id, bbox: near }
          : {
              category_id: category(),
              bbox: [500 * next(), 300 * next(), 20 + 100 * next(), 20 + 100 * next()],
            }
      detections.push({ image_id: id, ...found, score: Math.round(1000 * next()) / 1000 })
    }
  }
  return { truth: { images, categories, annotations }, detections }
}

const { truth, detections } = dataSet()
const folder = mkdtempSync(join(tmpdir(), 'efficientdet-bench-'))
const files = [join(folder, 'gt.json'), join(folder, 'dt.json')]
writeFileSync(files[0], JSON.stringify({ info: {}, ...truth }))
writeFileSync(files[1], JSON.stringify(detections))

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(`${PICTURES} pictures, ${truth.annotations.length} objects, ${detections.length} detections`)
const ratios = []
for (let i = 0; i < PAIRS; i++) {
  const used = process.cpuUsage()
  const start = performance.now()
  const stats = cocoStats(evaluate(truth, detections))
  const clock = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(used)
  const cpu = (user + system) / 1e6
  const ours = `efficientdet-trt ${clock.toFixed(2)} s (${cpu.toFixed(2)} s of CPU)`
  const python = spawnSync(PYTHON, ['-c', PYCOCOTOOLS, ...files], { encoding: 'utf8' })
  if (python.status !== 0) {
    console.log(`${ours}; ${PYTHON} has no pycocotools`)
    continue
  }
  const [theirClock, theirCpu, theirMemory, theirStats] = JSON.parse(python.stdout)
  const difference = Math.max(...stats.map((value, k) => Math.abs(value - theirStats[k])))
  ratios.push(theirCpu / cpu)
  console.log(
    `${ours}; pycocotools ${theirClock.toFixed(2)} s (${theirCpu.toFixed(2)} s of CPU, ${theirMemory.toFixed(0)} MB); ` +
      `largest difference ${difference.toExponential(1)}`,
  )
}
rmSync(folder, { recursive: true })
if (ratios.length > 0) console.log(`pycocotools takes ${median(ratios).toFixed(1)} times the CPU`)
console.log(
  `largest memory of this process, the data set included: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
)
