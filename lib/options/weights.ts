import { EfficientDetError } from '../base/errors.js'
import {
  ANCHOR_FACTORS,
  MAX_ANCHOR_SHAPES,
  MAX_CLASSES,
  MAX_LABEL_LETTERS,
  MAX_LABELS_LETTERS,
} from '../base/limits.js'
import type { AnchorConfig } from '../models/anchors.js'
import { isLabels } from '../models/guards.js'
import { NORMALIZATIONS } from '../models/preprocessing.js'
import type { Padding } from '../models/spec.js'
import { VARIANT_NAMES } from '../models/variants.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkNumber, invalidOption } from './checks.js'
import { byDefault, checkOptions, choice, number, type OptionsOf, other } from './option.js'

const PADDINGS = ['same', 'symmetric'] as const

export const PADDING_OPTIONS = {
  backbone: choice("the backbone's padding", PADDINGS, byDefault(undefined)),
  fpn: choice("the BiFPN's padding", PADDINGS, byDefault(undefined)),
  pool: choice('what max-pools see outside', ['infinity', 'zero'], byDefault(undefined)),
} satisfies OptionsOf<Padding>

export const ANCHOR_OPTIONS = {
  anchorScale: number(
    'anchor side in strides, usually 4',
    ANCHOR_FACTORS.min,
    ANCHOR_FACTORS.max,
    byDefault(undefined),
  ),
  scales: other('octave scales, such as 1,1.26,1.59', checkScales, byDefault(undefined)),
  ratios: other('width:height pairs, such as 1:1,1.4:0.7,0.7:1.4', checkRatios, byDefault(undefined)),
} satisfies OptionsOf<AnchorConfig>

/** What is said about weights; what is not comes from the file. */
export const WEIGHTS_OPTIONS = {
  prefix: other(
    "what the tensors' names begin with, where a file holds several networks",
    checkPrefix,
    byDefault(undefined),
  ),
  variant: choice('such as d7, where the tensors fit several', VARIANT_NAMES, byDefault(undefined)),
  preprocessing: choice('how the trainer normalised images', NORMALIZATIONS, byDefault(undefined)),
  padding: other(
    'padding of convolutions and max-pools',
    (name, value) => given(checkOptions(name, value, PADDING_OPTIONS, { prefix: `${name}.` })),
    byDefault(undefined),
  ),
  anchors: other(
    'anchors of each cell',
    (name, value) => given(checkOptions(name, value, ANCHOR_OPTIONS, { prefix: `${name}.` })),
    byDefault(undefined),
  ),
  labels: other('one name per class', checkLabelList, byDefault(undefined)),
} satisfies OptionsOf<WeightsOptions>

/**
 * Checks what a caller says about weights, so that the rest can rely on the types; other options are passed over.
 *
 * @returns plain copies, which can be sent to another thread; a framework's proxies cannot
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_LABELS
 */
export function checkWeightsOptions({
  prefix,
  variant,
  preprocessing,
  padding,
  anchors,
  labels,
}: WeightsOptions): WeightsOptions {
  const options = { prefix, variant, preprocessing, padding, anchors, labels }
  return given(checkOptions('the weights options', options, WEIGHTS_OPTIONS))
}

type Given<T> = { readonly [Name in keyof T]?: Exclude<T[Name], undefined> }

/** Without those that are left to the file. */
function given<T extends object>(settings: T): Given<T> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Given<T>
}

function checkPrefix(name: string, value: unknown): string | undefined {
  if (typeof value === 'string') return value
  throw invalidOption(name, value, 'what the names of tensors begin with, such as "student."')
}

function checkScales(name: string, value: unknown): readonly number[] | undefined {
  const scales = checkList(name, value, 'a list of numbers such as [1, 1.26, 1.59]')
  return scales.map((scale) => checkPositive(`a scale in ${name}`, scale))
}

function checkRatios(
  name: string,
  value: unknown,
): readonly (readonly [width: number, height: number])[] | undefined {
  const expected = 'a list of [width, height] pairs such as [[1, 1], [1.4, 0.7], [0.7, 1.4]]'
  return checkList(name, value, expected).map((ratio) => {
    if (!Array.isArray(ratio) || ratio.length !== 2) throw invalidOption(name, value, expected)
    const [width, height] = ratio.map((side) => checkPositive(`a side in ${name}`, side))
    return [width, height] as const
  })
}

function checkLabelList(_: string, value: unknown): readonly string[] | undefined {
  if (value !== null && isLabels(value)) return [...value]
  throw new EfficientDetError(
    'ERR_LABELS',
    `labels are not a list of texts, of at most ${MAX_LABEL_LETTERS} letters each, ${MAX_LABELS_LETTERS} together and ${MAX_CLASSES} in number; give one name per class.`,
  )
}

function checkPositive(name: string, value: unknown): number {
  return checkNumber(name, value, ANCHOR_FACTORS.min, ANCHOR_FACTORS.max)
}

function checkList(name: string, value: unknown, expected: string): readonly unknown[] {
  // Spread, for `map` passes over the holes of a sparse list.
  if (Array.isArray(value) && value.length > 0 && value.length <= MAX_ANCHOR_SHAPES) return [...value]
  throw invalidOption(name, value, expected)
}
