// Prints what the CPU backend costs: our graph against effdet's ONNX export, detect() against the bare network, and the
// event loop's waits.
//
// Run by `npm run bench`; the machine should be idle.
//
// The first table needs effdet's files, which tools/reference/effdet_onnx.py makes; the others need a D0, for which
// those files or ../shared's golden one do.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import ort from 'onnxruntime-node'
import { buildGraph } from '#lib/graph/build.js'
import { EfficientDet } from '#lib/index.js'
import { readModelFile } from '#lib/weights/model-file.js'
import { measurePairs, median, percentile } from './pairs.mjs'
import { writeTrainedLike } from './trained-like.mjs'

const REPETITIONS = 40
const SIZE = { height: 512, width: 512 }

const folder = new URL('../.cache/reference/effdet/', import.meta.url)
const effdetWeights = new URL('tf_efficientdet_d0.pth', folder).pathname
const effdetOnnx = new URL('tf_efficientdet_d0.onnx', folder).pathname
const golden = new URL('../../shared/data/golden-d0/zylo-d0.pth', import.meta.url).pathname
const photograph = new URL('../models/person/person.jpg', import.meta.url).pathname

const weights = [effdetWeights, golden].find(existsSync)
if (weights === undefined) {
  console.error(
    'No D0 here: run tools/reference/setup.sh and tools/reference/effdet_onnx.py, or put ../shared beside.',
  )
  process.exit(1)
}
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(`D0 at 512×512 with ${weights}; ${REPETITIONS} paired runs, medians\n`)

const ours = await session(await ourGraph(weights))
if (existsSync(effdetOnnx)) {
  const theirs = await session(await readFile(effdetOnnx))
  const [a, b] = await measurePairs(
    REPETITIONS,
    () => run(ours),
    () => run(theirs),
  )
  console.log(`our graph            ${ms(median(a))}, ${ms(median(a.cpu))} of processor time`)
  console.log(`effdet's own export  ${ms(median(b))}, ${ms(median(b.cpu))} of processor time`)
  console.log(
    `ratio                ${(median(a) / median(b)).toFixed(3)}, ${(median(a.cpu) / median(b.cpu)).toFixed(3)}\n`,
  )
  await theirs.network.release()
} else console.log(`effdet's export: skipped, there is no ${effdetOnnx}\n`)

const trainedLike = new URL('../.cache/bench/d0.safetensors', import.meta.url).pathname
await writeTrainedLike(weights, photograph, trainedLike)
const detector = await EfficientDet.load(trainedLike)
const jpeg = await readFile(photograph)
const { whole } = await compareWithNetwork('D0', ours, detector)
const person = await EfficientDet.load('person')
const personWeights = new URL('../models/person/person.safetensors', import.meta.url).pathname
const personNetwork = await session(
  await ourGraph(personWeights, person.model.inputSize),
  person.model.inputSize,
)
await compareWithNetwork('person', personNetwork, person)
await personNetwork.network.release()
await person.dispose()

// One call after another, and this thread has nothing else to do: its delay is detect()'s doing.
const delay = monitorEventLoopDelay({ resolution: 1 })
const stages = []
delay.enable()
for (let i = 0; i < REPETITIONS; i++) stages.push((await detector.detect(jpeg)).timings)
delay.disable()
console.log(`stages, medians      ${shown(stages)} ms`)
console.log(
  `event loop, p99      ${ms(delay.percentile(99) / 1e6)} beyond its 1 ms timer: ${ms(Math.max(0, delay.percentile(99) / 1e6 - 1))}`,
)
console.log(`slowest detect()     ${ms(percentile(whole, 1))}`)
await ours.network.release()
await detector.dispose()

/** One call at a time, from a JPEG to boxes, against the network alone. */
async function compareWithNetwork(name, alone, whichever) {
  const stages = []
  const [bare, whole] = await measurePairs(
    REPETITIONS,
    () => run(alone),
    async () => stages.push((await whichever.detect(jpeg)).timings),
  )
  console.log(`${name}, bare network   ${ms(median(bare))}`)
  console.log(`detect() of a JPEG   ${ms(median(whole))} (640×424): ${shown(stages)}`)
  console.log(`ratio                ${(median(whole) / median(bare)).toFixed(3)}\n`)
  return { whole }
}

function shown(stages) {
  const names = Object.keys(stages[0])
  return names
    .map((name) => `${name} ${median(stages.map((timings) => timings[name])).toFixed(1)}`)
    .join(', ')
}

async function ourGraph(path, inputSize = SIZE) {
  const { spec, weights: tensors } = await readModelFile(path)
  return buildGraph(spec.architecture, tensors, {
    inputSize,
    batch: 1,
    precision: 'fp32',
    input: 'fp32',
  })
}

/** A network in onnxruntime, with memory for its answers, which every run uses anew as the CPU backend does. */
async function session(model, { height, width } = SIZE) {
  const options = { executionProviders: ['cpu'], intraOpNumThreads: cpus().length }
  const network = await ort.InferenceSession.create(model, options)
  const data = new Float32Array(3 * height * width).fill(0.1)
  const images = new ort.Tensor('float32', data, [1, 3, height, width])
  return { network, images, outputs: await network.run({ images }) }
}

function run({ network, images, outputs }) {
  return network.run({ images }, outputs)
}

function ms(time) {
  return `${time.toFixed(1)} ms`
}
