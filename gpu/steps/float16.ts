// float16 from frames to detections: our kernels before and after the network, which PyTorch runs, against the CPU
// backend in float32.
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  compareDetections,
  comparedParameters,
  isWithin,
  worstOf,
} from '#lib/engines/self-test/comparison.js'
import { EfficientDet, packDetections } from '#lib/index.js'
import { anchorBoxes } from '#lib/models/anchors.js'
import { graphOfModelFile } from '#lib/tasks/export.js'
import { PERSON } from '../../test/helpers/cli.js'
import { frameOf } from '../../test/helpers/emulated.js'
import { detectionsCall, geometryOf, preprocessCall, runKernels } from '../../test/helpers/kernels.js'
import { temporaryFolder } from '../../test/helpers/temporary-folder.js'
import { check, PROJECT, PYTHON, skip } from './step.js'

if (PYTHON === undefined) skip('Python has no torch')

const frames = await Promise.all(
  (['rgb', 'bgra', 'nv12', 'i420'] as const).map((format, i) => frameOf(PERSON, format, 640 - 96 * i)),
)
const { spec, inputSize, onnx } = await graphOfModelFile(
  join(PROJECT, 'models', 'person', 'person.safetensors'),
  {},
  { inputSize: null, batch: frames.length, precision: 'fp16', input: 'fp16' },
)
const [images] = await runKernels([preprocessCall(frames, inputSize, spec.preprocessing, 'float16')])

const folder = await temporaryFolder()
const graph = join(folder, 'graph.onnx')
await writeFile(graph, onnx)
const { status, stdout } = spawnSync(PYTHON, [join(PROJECT, 'gpu', 'onnx_torch.py'), graph, folder], {
  input: new Uint8Array(images.buffer),
  stdio: ['pipe', 'pipe', 'inherit'],
})
if (status !== 0) throw new Error(`PyTorch's process ended with ${status}`)
const [boxes, logits] = await Promise.all(
  ['box_regression', 'class_logits'].map(async (name) => {
    const bytes = await readFile(join(folder, name))
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  }),
)

const { classes, variant } = spec.architecture
const anchors = anchorBoxes(inputSize, variant.maxLevel, spec.anchors)
const part = (values: Float32Array, i: number) =>
  values.subarray((i * values.length) / frames.length, ((i + 1) * values.length) / frames.length)
const parameters = comparedParameters(classes)
const questions = frames.map((frame, i) => ({
  output: { boxRegression: part(boxes, i), classLogits: part(logits, i), anchors, classes },
  parameters,
  geometry: geometryOf(frame, inputSize),
}))
const limits = { candidates: parameters.preNmsTopK, detections: parameters.maxDetections }
const [found] = await runKernels([detectionsCall(questions, limits)])

const cpu = await EfficientDet.load('person', { backend: 'cpu' })
const comparisons = []
for (const [i, frame] of frames.entries()) {
  const { iouThreshold, maxDetections, preNmsTopK } = parameters
  const options = { scoreThreshold: 0, iouThreshold, maxDetections, preNmsTopK }
  const { detections } = await cpu.detect(frame, options)
  comparisons.push(compareDetections(found[i], packDetections(detections)))
}
await cpu.dispose()
const worst = worstOf(comparisons)
check(isWithin(worst) && found.every(({ notFinite }) => !notFinite), {
  model: 'person',
  frames: frames.length,
  ...worst,
  best: found.map(({ scores }) => scores[0]),
  network: JSON.parse(stdout.toString()),
})
