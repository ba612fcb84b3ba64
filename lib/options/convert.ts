import type { ConvertOptions } from '../weights/convert.js'
import type { WeightsOptions } from '../weights/decide.js'
import { SIGNAL } from './common.js'
import { PRECISIONS } from './export.js'
import { byDefault, checkOptions, choice, type OptionsOf } from './option.js'
import { checkWeightsOptions, WEIGHTS_OPTIONS } from './weights.js'

export const CONVERT_OPTIONS = {
  precision: choice(
    'how convolution weights are stored; fp16 is half the size',
    PRECISIONS,
    byDefault('fp32'),
  ),
  signal: SIGNAL,
} satisfies OptionsOf<Omit<ConvertOptions, keyof WeightsOptions> & { signal: unknown }>

export interface CheckedConvert {
  readonly settings: ConvertOptions
  readonly signal: AbortSignal | undefined
}

/** @throws EfficientDetError ERR_INVALID_OPTION, ERR_LABELS */
export function checkConvertOptions(options: ConvertOptions & { signal?: AbortSignal }): CheckedConvert {
  const further = Object.keys(WEIGHTS_OPTIONS)
  const { precision, signal } = checkOptions('the convert options', options, CONVERT_OPTIONS, { further })
  return { settings: { ...checkWeightsOptions(options), precision }, signal }
}
