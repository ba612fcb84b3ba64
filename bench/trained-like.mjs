import { mkdir } from 'node:fs/promises'
import ort from 'onnxruntime-node'
import { buildGraph } from '#lib/graph/build.js'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { readSource } from '#lib/image/source.js'
import { nativeInput } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { toMetadata } from '#lib/weights/metadata.js'
import { readModelFile } from '#lib/weights/model-file.js'
import { writeSafetensors } from '#lib/weights/safetensors/writer.js'

/** Class scores above 0.4 that a trained network has on a picture with some objects, before suppression. */
const CONFIDENT = 200

/**
 * Writes a copy of random weights that finds as much in a picture as trained ones do, by changing the class head's
 * bias alone.
 *
 * Random class heads are sure of something everywhere, and sorting a million scores is not what a detector does.
 */
export async function writeTrainedLike(path, picturePath, output) {
  const { spec, weights, origin } = await readModelFile(path)
  const inputSize = nativeInput(spec.architecture.variant)
  const { frame } = await readSource(picturePath, { maxPixels: 1e8 })
  const { tensor } = preprocess(toRgb(frame), inputSize, spec.preprocessing)
  const graph = buildGraph(spec.architecture, weights, {
    inputSize,
    batch: 1,
    precision: 'fp32',
    input: 'fp32',
  })
  const session = await ort.InferenceSession.create(graph)
  const { class_logits } = await session.run({
    images: new ort.Tensor('float32', tensor, [1, 3, inputSize.height, inputSize.width]),
  })
  await session.release()
  const shift = Math.log(0.4 / 0.6) - Float32Array.from(class_logits.data).sort().at(-CONFIDENT)

  const shifted = new Map(weights)
  const bias = 'class_net.predict.conv_pw.bias'
  shifted.set(
    bias,
    shifted.get(bias).map((value) => value + shift),
  )
  const tensors = [...inventory(spec.architecture, inputSize).tensors].map(([name, shape]) => ({
    name,
    shape,
    dtype: 'float32',
    data: shifted.get(name),
  }))
  await mkdir(new URL('.', `file://${output}`), { recursive: true })
  await writeSafetensors(output, tensors, toMetadata(spec, origin, path))
}
