import type { FloatType } from '../graph/builder.js'
import type { ExportSettings } from '../tasks/export.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkInteger, checkNames, checkOneOf, checkSize, type SizeOption } from './checks.js'
import { checkWeightsOptions, WEIGHTS_OPTION_NAMES } from './weights.js'

export const PRECISIONS = ['fp32', 'fp16'] as const
export type Precision = (typeof PRECISIONS)[number]

/** TensorRT's usual limit is far below; more makes no sense of a picture batch. */
const MAX_BATCH = 1024

/** What a caller can say about an ONNX file. */
export interface GraphOptions extends WeightsOptions {
  /** Height and width of the input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly size?: SizeOption
  /** Pictures per run, 1…1024, or `dynamic` for any number. Defaults to `dynamic`. */
  readonly batch?: number | 'dynamic'
  /** Of weights and activations; outputs are float32 either way. Defaults to `fp32`. */
  readonly precision?: Precision
  /** Of the input `images`. Defaults to `fp32`. */
  readonly input?: Precision
}

const FLOAT_TYPES: Readonly<Record<Precision, FloatType>> = { fp32: 'float32', fp16: 'float16' }

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkGraphOptions(options: GraphOptions): {
  weights: WeightsOptions
  settings: ExportSettings
} {
  checkNames('the export options', options, [
    ...WEIGHTS_OPTION_NAMES,
    'size',
    'batch',
    'precision',
    'input',
    'signal',
  ])
  const { size, batch = 'dynamic', precision = 'fp32', input = 'fp32' } = options
  return {
    weights: checkWeightsOptions(options),
    settings: {
      size: size === undefined ? null : checkSize('size', size),
      batch: batch === 'dynamic' ? batch : checkInteger('batch', batch, 1, MAX_BATCH),
      precision: FLOAT_TYPES[checkOneOf('precision', precision, PRECISIONS)],
      input: FLOAT_TYPES[checkOneOf('input', input, PRECISIONS)],
    },
  }
}
