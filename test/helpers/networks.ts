import { readFile } from 'node:fs/promises'
import * as ort from 'onnxruntime-node'
import { buildGraph, type GraphSettings } from '#lib/graph/build.js'
import type { Size } from '#lib/models/levels.js'
import type { Architecture } from '#lib/models/spec.js'
import { inventory } from '#lib/network/parameters.js'
import { random } from './random.js'

export interface Outputs {
  readonly boxRegression: Float32Array
  readonly classLogits: Float32Array
  readonly dims: readonly (readonly number[])[]
}

/** Little-endian float32 values of a file. */
export async function readFloats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** Runs an ONNX file once. */
export async function runGraph(
  graph: Uint8Array,
  images: Float32Array,
  dims: readonly number[],
): Promise<Outputs> {
  const session = await ort.InferenceSession.create(graph, { executionProviders: ['cpu'] })
  try {
    const { box_regression, class_logits } = await session.run({
      images: new ort.Tensor('float32', images, dims),
    })
    return {
      boxRegression: box_regression.data as Float32Array,
      classLogits: class_logits.data as Float32Array,
      dims: [box_regression.dims, class_logits.dims],
    }
  } finally {
    await session.release()
  }
}

/** Seeded weights that keep activations near unit scale: for tests of shapes and structure. */
export function randomWeights(architecture: Architecture, seed = 1): Map<string, Float32Array> {
  const rng = random(seed)
  const weights = new Map<string, Float32Array>()
  const { inputSize } = architecture.variant
  for (const [name, shape] of inventory(architecture, { height: inputSize, width: inputSize }).tensors) {
    const count = shape.reduce((product, n) => product * n, 1)
    const fanIn = count / shape[0]
    const scale = shape.length === 4 ? Math.sqrt(6 / fanIn) : 0.1
    const centre = /running_var$|bn\d?\.weight$|bn_rep.*weight$|edge_weights$/.test(name) ? 1 : 0
    weights.set(
      name,
      Float32Array.from({ length: count }, () => centre + scale * (rng.float() - 0.5)),
    )
  }
  return weights
}

export function randomImages(batch: number, { height, width }: Size, seed = 2): Float32Array {
  const rng = random(seed)
  return Float32Array.from({ length: batch * 3 * height * width }, () => 4 * rng.float() - 2)
}

/** A graph with float32 everything and one picture per run, unless told otherwise. */
export function graphOf(
  architecture: Architecture,
  weights: Map<string, Float32Array>,
  options: Partial<GraphSettings> & { inputSize: Size },
): Uint8Array {
  return buildGraph(architecture, weights, { batch: 1, precision: 'fp32', input: 'fp32', ...options })
}

/** ‖a − b‖ / ‖b‖ (Frobenius). */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0
  let norm = 0
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2
    norm += b[i] ** 2
  }
  return Math.sqrt(difference / norm)
}
