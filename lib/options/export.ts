import type { ExportSettings } from '../tasks/export.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkInteger, checkNames, checkOneOf, checkSize, type SizeOption } from './checks.js'
import { checkWeightsOptions, WEIGHTS_OPTION_NAMES } from './weights.js'

export const PRECISIONS = ['fp32', 'fp16'] as const
export type Precision = (typeof PRECISIONS)[number]

/** TensorRT's usual limit is far below; more makes no sense of a picture batch. */
const MAX_BATCH = 1024

/** No more boxes leave suppression than class scores may enter it on a GPU. */
const MAX_DETECTIONS = 65_536

/** What a caller can say about an ONNX file. */
export interface ExportOptions extends WeightsOptions {
  /** Height and width of the input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly inputSize?: SizeOption
  /** Pictures per run, 1…1024, or `dynamic` for any number. Defaults to `dynamic`. */
  readonly batch?: number | 'dynamic'
  /** Of weights and activations; outputs are float32 either way. Defaults to `fp32`. */
  readonly precision?: Precision
  /** Of the input `images`. Defaults to `fp32`. */
  readonly input?: Precision
  /**
   * Most detections per picture, 1…65536, of a last node that decodes and suppresses in place of the raw outputs. It
   * runs in TensorRT 10 and 11 with this package's library as its plugin, and nowhere else. Defaults to no such node.
   */
  readonly detections?: number
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkExportOptions(options: ExportOptions): {
  weights: WeightsOptions
  settings: ExportSettings
} {
  checkNames('the export options', options, [
    ...WEIGHTS_OPTION_NAMES,
    'inputSize',
    'batch',
    'precision',
    'input',
    'detections',
    'signal',
  ])
  const { inputSize, batch = 'dynamic', precision = 'fp32', input = 'fp32', detections } = options
  return {
    weights: checkWeightsOptions(options),
    settings: {
      inputSize: inputSize === undefined ? null : checkSize('inputSize', inputSize),
      batch: batch === 'dynamic' ? batch : checkInteger('batch', batch, 1, MAX_BATCH),
      precision: checkOneOf('precision', precision, PRECISIONS),
      input: checkOneOf('input', input, PRECISIONS),
      ...(detections !== undefined && {
        detections: checkInteger('detections', detections, 1, MAX_DETECTIONS),
      }),
    },
  }
}
