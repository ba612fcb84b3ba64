import type { ExportSettings } from '../tasks/export.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkInteger, type SizeOption } from './checks.js'
import { INPUT_SIZE, SIGNAL } from './common.js'
import { byDefault, checkOptions, choice, integer, type OptionsOf, other } from './option.js'
import { checkWeightsOptions, WEIGHTS_OPTIONS } from './weights.js'

export const PRECISIONS = ['fp32', 'fp16'] as const
export type Precision = (typeof PRECISIONS)[number]

/** TensorRT's usual limit is far below; more makes no sense of a batch of images. */
const MAX_BATCH = 1024

/** No more boxes leave suppression than class scores may enter it on a GPU. */
const MAX_DETECTIONS = 65_536

/** What a caller can say about an ONNX file. */
export interface ExportOptions extends WeightsOptions {
  /** Height and width of the input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly inputSize?: SizeOption
  /** Images per run, 1…1024, or `dynamic` for any number. Defaults to `dynamic`. */
  readonly batch?: number | 'dynamic'
  /** Type of weights and activations; outputs are float32 either way. Defaults to `fp32`. */
  readonly precision?: Precision
  /** Type of the input `images`. Defaults to `fp32`. */
  readonly input?: Precision
  /**
   * Most detections per image, 1…65536, of a last node that decodes and suppresses in place of the raw outputs.
   * Defaults to no such node.
   *
   * It runs in TensorRT 10 and 11 with this package's library as its plugin, and nowhere else.
   */
  readonly detections?: number
  readonly signal?: AbortSignal
}

export const EXPORT_OPTIONS = {
  inputSize: INPUT_SIZE,
  batch: other('images per run, or dynamic', checkBatch, byDefault<number | 'dynamic'>('dynamic')),
  precision: choice('type of weights and activations', PRECISIONS, byDefault('fp32')),
  input: choice('type of the input `images`', PRECISIONS, byDefault('fp32')),
  detections: integer(
    "detections at most of a last node, our TensorRT plugin's",
    1,
    MAX_DETECTIONS,
    byDefault(undefined, 'no such node'),
  ),
  signal: SIGNAL,
} satisfies OptionsOf<Omit<ExportOptions, keyof WeightsOptions>>

export interface CheckedExport {
  readonly weights: WeightsOptions
  readonly settings: ExportSettings
  readonly signal: AbortSignal | undefined
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkExportOptions(options: ExportOptions): CheckedExport {
  const further = Object.keys(WEIGHTS_OPTIONS)
  const { signal, detections, ...settings } = checkOptions('the export options', options, EXPORT_OPTIONS, {
    further,
  })
  return {
    weights: checkWeightsOptions(options),
    settings: { ...settings, ...(detections !== undefined && { detections }) },
    signal,
  }
}

function checkBatch(name: string, batch: unknown): number | 'dynamic' {
  return batch === 'dynamic' ? batch : checkInteger(name, batch, 1, MAX_BATCH)
}
