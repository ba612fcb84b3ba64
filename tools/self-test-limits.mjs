// Prints how far right engines and wrong ones are from float32; the self-test's limits
// (lib/engines/self-test/comparison.ts) lie in between: `node tools/self-test-limits.mjs`.
//
// Networks run in onnxruntime: float16 as such, and bfloat16, which it lacks, as float32 whose weights and layers'
// outputs are rounded.
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import ort from 'onnxruntime-node'
import { bfloat16ToFloat32, float32ToBfloat16 } from '#lib/base/bfloat16.js'
import {
  compareDetections,
  comparedParameters,
  isWithin,
  worstOf,
} from '#lib/engines/self-test/comparison.js'
import { testImages } from '#lib/engines/self-test/images.js'
import { buildGraph } from '#lib/graph/build.js'
import { GraphBuilder } from '#lib/graph/builder.js'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { anchorBoxes } from '#lib/models/anchors.js'
import { nativeInput } from '#lib/models/variants.js'
import { selectDetections } from '#lib/postprocess/detections.js'
import { readModelFile } from '#lib/weights/model-file.js'
import { writeRandomWeights } from './random-weights.mjs'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const frames = await testImages()

console.log(
  `${new Date().toISOString().slice(0, 10)}, onnxruntime ${ort.env.versions.node}, ${cpus()[0].model}`,
)
console.log('largest score difference and least overlap with float32, over all test pictures\n')
for (const { name, file, size } of await models()) await measure(name, await readModelFile(file), size)

async function models() {
  const random = []
  for (const variant of ['lite0', 'd0', 'd2']) {
    const file = path(`../.cache/bench/${variant}-random.safetensors`)
    if (!existsSync(file)) await writeRandomWeights(file, variant)
    random.push({ name: `random ${variant}`, file })
  }
  const golden = path('../../shared/data/golden-d0/zylo-d0.pth')
  return [
    { name: 'person', file: path('../models/person/person.safetensors') },
    {
      name: 'person, 512×768',
      file: path('../models/person/person.safetensors'),
      size: { height: 512, width: 768 },
    },
    ...(existsSync(golden) ? [{ name: 'golden d0', file: golden }] : []),
    ...random,
  ]
}

async function measure(name, { spec, weights }, size = nativeInput(spec.architecture.variant)) {
  const input = await inputOf(spec, size)
  const answers = {}
  for (const precision of ['fp32', 'fp16', 'bf16']) {
    answers[precision] = await run(
      graphOf(spec.architecture, weights, size, precision),
      spec,
      size,
      input,
      precision,
    )
  }
  const expected = answers.fp32.map(({ detections }) => detections)
  console.log(`${name}: best score ${Math.max(...expected.map(({ scores }) => scores[0])).toFixed(3)}`)
  for (const precision of ['fp16', 'bf16']) {
    tell(
      precision,
      answers[precision].map(({ detections }) => detections),
      expected,
    )
  }
  const wrong = (change) => answers.fp32.map((answer, i) => select(spec, size, input[i], change(answer, i)))
  tell(
    'logits + 0.5',
    wrong(({ boxes, logits }) => ({ boxes, logits: logits.map((x) => x + 0.5) })),
    expected,
  )
  tell(
    'logits × 0.5',
    wrong(({ boxes, logits }) => ({ boxes, logits: logits.map((x) => x * 0.5) })),
    expected,
  )
  tell(
    'regressions × 1.5',
    wrong(({ boxes, logits }) => ({ boxes: boxes.map((x) => x * 1.5), logits })),
    expected,
  )
  tell(
    'regressions + 0.5',
    wrong(({ boxes, logits }) => ({ boxes: boxes.map((x) => x + 0.5), logits })),
    expected,
  )
  tell(
    'regressions 0',
    wrong(({ boxes, logits }) => ({ boxes: boxes.map(() => 0), logits })),
    expected,
  )
  tell(
    'logits 0',
    wrong(({ boxes, logits }) => ({ boxes, logits: logits.map(() => 0) })),
    expected,
  )
  tell(
    'one anchor late',
    wrong(({ boxes, logits }) => ({ boxes: shifted(boxes, 4), logits })),
    expected,
  )
  tell(
    'noise, 0.3 deviations',
    wrong(({ boxes, logits }) => ({ boxes: noisy(boxes, 0.3), logits: noisy(logits, 0.3) })),
    expected,
  )
  tell(
    'nothing',
    expected.map(() => ({
      boxes: new Float32Array(),
      scores: new Float32Array(),
      classIds: new Uint32Array(),
    })),
    expected,
  )
  tell(
    'scores + 0.15',
    expected.map((answer) => ({ ...answer, scores: answer.scores.map((x) => x + 0.15) })),
    expected,
  )
  tell(
    'scores NaN',
    expected.map((answer) => ({ ...answer, scores: answer.scores.map(() => Number.NaN) })),
    expected,
  )
  tell('frames swapped', [expected[1], expected[2], expected[0]], expected)
  tell(
    'boxes shifted by half',
    expected.map((answer) => ({ ...answer, boxes: half(answer.boxes) })),
    expected,
  )
  console.log()
}

function tell(what, found, expected) {
  const worst = worstOf(found.map((answer, i) => compareDetections(answer, expected[i])))
  const { scoreDifference, overlap } = worst
  const figures = `${scoreDifference.toFixed(4)}  ${overlap.toFixed(4)}`
  console.log(`  ${what.padEnd(24)} ${figures}  ${isWithin(worst) ? 'accepted' : 'refused'}`)
}

async function inputOf(spec, size) {
  return frames.map((frame) => ({ frame, ...preprocess(toRgb(frame), size, spec.preprocessing) }))
}

function graphOf(architecture, weights, size, precision) {
  const settings = { inputSize: size, batch: 1, input: 'fp32' }
  if (precision !== 'bf16') return buildGraph(architecture, weights, { ...settings, precision })
  const { add, constant } = GraphBuilder.prototype
  GraphBuilder.prototype.add = function (node) {
    const outputs = node.outputs.map((output) => `${output}/exact`)
    add.call(this, { ...node, outputs })
    node.outputs.forEach((output, i) => {
      const names = [outputs[i], `${output}/bfloat16`, output]
      for (const [step, to] of [16, 1].entries()) {
        add.call(this, {
          name: `${output}/cast${step}`,
          op: 'Cast',
          inputs: [names[step]],
          outputs: [names[step + 1]],
          attributes: { to },
        })
      }
    })
  }
  GraphBuilder.prototype.constant = function (name, dims, values) {
    return constant.call(this, name, dims, () => bfloat16ToFloat32(float32ToBfloat16(values())))
  }
  try {
    return buildGraph(architecture, weights, { ...settings, precision: 'fp32' })
  } finally {
    Object.assign(GraphBuilder.prototype, { add, constant })
  }
}

async function run(graph, spec, size, input, precision) {
  const session = await ort.InferenceSession.create(graph, {
    // Else the casts would be found to do nothing.
    graphOptimizationLevel: precision === 'bf16' ? 'disabled' : 'all',
  })
  const answers = []
  for (const each of input) {
    const images = new ort.Tensor('float32', each.tensor, [1, 3, size.height, size.width])
    const { box_regression, class_logits } = await session.run({ images })
    const answer = { boxes: box_regression.data, logits: class_logits.data }
    answers.push({ ...answer, detections: select(spec, size, each, answer) })
  }
  await session.release()
  return answers
}

function select(spec, size, { frame, letterbox }, { boxes, logits }) {
  return selectDetections(
    {
      boxRegression: boxes,
      classLogits: logits,
      anchors: anchorBoxes(size, spec.architecture.variant.maxLevel, spec.anchors),
      classes: spec.architecture.classes,
    },
    comparedParameters(spec.architecture.classes),
    { width: frame.width, height: frame.height, scale: letterbox.scale },
  )
}

function shifted(values, by) {
  return values.map((_, i) => values[(i + by) % values.length])
}

function half(boxes) {
  return boxes.map((side, i) => side + 0.5 * (boxes[(i & ~3) + 2 + (i & 1)] - boxes[(i & ~3) + (i & 1)]))
}

/** With normal noise of so many standard deviations. */
function noisy(values, deviations) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)
  let state = 7
  // A linear congruential generator with Numerical Recipes' constants.
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  return values.map((x) => x + deviations * deviation * normal())
}
