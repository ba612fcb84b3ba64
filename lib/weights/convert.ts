import { basename } from 'node:path'
import type { StagedFile } from '../base/atomic-write.js'
import { nativeInput } from '../models/variants.js'
import { inventory } from '../network/parameters.js'
import type { WeightsOptions } from './decide.js'
import { roundToHalf } from './fp16-rounding.js'
import { toMetadata } from './metadata.js'
import type { Model } from './model-file.js'
import { readModelFile } from './model-file.js'
import { type WritableTensor, writeSafetensors } from './safetensors/writer.js'

export interface ConvertOptions extends WeightsOptions {
  /** How convolution weights are stored. Defaults to `fp32`. */
  readonly precision?: 'fp32' | 'fp16'
}

/**
 * Rewrites a weights file as our safetensors, in effdet's names, with everything that was given or found out about it
 * in its metadata.
 *
 * With `fp16`, only tensors of two or more dimensions become float16: rounding vectors would cost most of the
 * accuracy and save a few per cent of the bytes.
 *
 * A tensor with a value beyond float16 stays float32 as well.
 *
 * @throws EfficientDetError what `readModelFile` and `writeSafetensors` throw
 */
export async function convertModelFile(
  input: string,
  output: string | StagedFile,
  options: ConvertOptions = {},
): Promise<Omit<Model, 'weights'>> {
  const { weights, ...model } = await readModelFile(input, options)
  const { architecture } = model.spec
  const tensors = [...inventory(architecture, nativeInput(architecture.variant)).tensors].map(
    ([name, shape]): WritableTensor => {
      const data = weights.get(name)!
      const narrow = options.precision === 'fp16' && shape.length > 1 && data.every(fitsFloat16)
      return narrow
        ? { name, shape, dtype: 'float16', data: roundToHalf(data, shape[0]) }
        : { name, shape, dtype: 'float32', data }
    },
  )
  await writeSafetensors(output, tensors, toMetadata(model.spec, model.origin, basename(input)))
  return model
}

/** From 65520 on, magnitudes round to infinity. */
function fitsFloat16(value: number): boolean {
  return Math.abs(value) < 65520
}
