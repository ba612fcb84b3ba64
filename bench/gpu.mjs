// Prints what every stage takes on the GPU here, and writes it to bench/results: `npm run bench:gpu`.
//
// TENSORRT_PATH may name the folder of TensorRT's libraries, TENSORRT_FAMILY which (10, 11, rtx). `--short`: float16
// alone, batches up to 8, and fewer rounds.
import { randomBytes } from 'node:crypto'
import { attempt, gpuMachine, gpuOptions, withDetector, writeResults } from './gpu-machine.mjs'
import { gpuModels } from './gpu-models.mjs'
import { median } from './pairs.mjs'

const isShort = process.argv.includes('--short')
const BATCHES = isShort ? [1, 8] : [1, 8, 32]
const ROUNDS = isShort ? 30 : 100
const PRECISIONS = isShort ? ['fp16'] : ['fp32', 'fp16']
const WARM_UP = 10
const WIDTH = 1920
const HEIGHT = 1080
const STAGES = ['queue', 'preprocess', 'network', 'postprocess', 'total']

const machine = await gpuMachine()
if (machine !== null) {
  console.log(
    `${machine.description}, ${machine.devices[0].name}; ${WIDTH}×${HEIGHT} RGB frames, medians in ms`,
  )
  const results = []
  for (const { name, model } of await gpuModels()) {
    for (const precision of PRECISIONS) {
      const measured = await attempt(`${name} ${precision}`, () => measure(name, model, precision))
      results.push(measured)
      if (measured.passed !== false) continue
      console.log(`${measured.check}: ${measured.message}`)
      process.exitCode = 1
    }
  }
  await writeResults('gpu', machine, results.flat())
}

/** @param batches those that are timed; where memory does not suffice for the largest, the others are */
async function measure(name, model, precision, batches = BATCHES) {
  const maxBatchSize = Math.max(...batches)
  const options = { ...gpuOptions(precision), maxBatchSize, maxPending: maxBatchSize }
  try {
    return await withDetector(model, options, (detector) => time(detector, name, precision, batches))
  } catch (error) {
    if (error.code !== 'ERR_OUT_OF_MEMORY' || batches.length === 1) throw error
    console.log(`${name} ${precision} batch ${maxBatchSize}: ${error.message}`)
    return measure(name, model, precision, batches.slice(0, -1))
  }
}

async function time(detector, name, precision, batches) {
  const frame = { data: randomBytes(WIDTH * HEIGHT * 3), format: 'rgb', width: WIDTH, height: HEIGHT }
  const results = []
  for (const batch of batches) {
    const timings = []
    let start = 0
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      if (round === 0) start = performance.now()
      const calls = await Promise.all(Array.from({ length: batch }, () => detector.detect(frame)))
      if (round >= 0) timings.push(...calls.map((call) => call.timings))
    }
    const framesPerSecond = (1000 * ROUNDS * batch) / (performance.now() - start)
    const stages = Object.fromEntries(
      STAGES.map((stage) => [stage, median(timings.map((each) => each[stage]))]),
    )
    const texts = STAGES.map((stage) => `${stage} ${stages[stage].toFixed(2)}`)
    console.log(
      `${name} ${precision} batch ${batch}: ${texts.join(', ')}; ${framesPerSecond.toFixed(0)} frames/s`,
    )
    results.push({ model: name, precision, batch, framesPerSecond, stages })
  }
  return results
}
