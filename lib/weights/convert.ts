import { basename } from 'node:path'
import { inventory } from '../network/parameters.js'
import type { WeightsOptions } from './decide.js'
import { toMetadata } from './metadata.js'
import type { Model } from './model-file.js'
import { readModelFile } from './model-file.js'
import { writeSafetensors } from './safetensors.js'

export interface ConvertOptions extends WeightsOptions {
  /** Store convolution weights as float16. Defaults to false. */
  readonly half?: boolean
}

/**
 * Rewrites a weights file as our safetensors, in effdet's names, with everything that was told or found out
 * about it in its metadata.
 *
 * With `half`, only tensors of two or more dimensions become float16: the vectors (BatchNorm, biases, fusion
 * weights) are a few per cent of the bytes, and their rounding would cost more accuracy than all the rest.
 */
export async function convertModelFile(
  input: string,
  output: string,
  options: ConvertOptions = {},
): Promise<Omit<Model, 'weights'>> {
  const { weights, ...model } = await readModelFile(input, options)
  const { architecture } = model.spec
  const size = { height: architecture.variant.inputSize, width: architecture.variant.inputSize }
  const tensors = [...inventory(architecture, size).tensors].map(([name, shape]) => ({
    name,
    shape,
    dtype: options.half && shape.length > 1 ? ('float16' as const) : ('float32' as const),
    data: weights.get(name)!,
  }))
  await writeSafetensors(output, tensors, toMetadata(model.spec, model.origin, basename(input)))
  return model
}
