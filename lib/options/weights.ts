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
import { VARIANT_NAMES } from '../models/variants.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkNames, checkNumber, checkOneOf, invalidOption } from './checks.js'

export const WEIGHTS_OPTION_NAMES = [
  'prefix',
  'variant',
  'preprocessing',
  'padding',
  'anchors',
  'labels',
] as const

/**
 * Checks what a caller says about weights, so that the rest can rely on the types.
 *
 * @returns plain copies, which can be sent to another thread; a framework's proxies cannot
 * @throws EfficientDetError ERR_INVALID_OPTION
 */
export function checkWeightsOptions(options: WeightsOptions): WeightsOptions {
  const { prefix, variant, preprocessing, padding, anchors, labels } = options
  if (prefix !== undefined && typeof prefix !== 'string') {
    throw invalidOption('prefix', prefix, 'what the names of tensors begin with, such as "student."')
  }
  if (variant !== undefined) checkOneOf('variant', variant, VARIANT_NAMES)
  if (preprocessing !== undefined) checkOneOf('preprocessing', preprocessing, NORMALIZATIONS)
  if (padding !== undefined) {
    checkNames('padding', padding, ['backbone', 'fpn', 'pool'])
    if (padding.backbone !== undefined)
      checkOneOf('padding.backbone', padding.backbone, ['same', 'symmetric'])
    if (padding.fpn !== undefined) checkOneOf('padding.fpn', padding.fpn, ['same', 'symmetric'])
    if (padding.pool !== undefined) checkOneOf('padding.pool', padding.pool, ['infinity', 'zero'])
  }
  if (anchors !== undefined) {
    checkNames('anchors', anchors, ['anchorScale', 'scales', 'ratios'])
    if (anchors.anchorScale !== undefined) checkPositive('anchors.anchorScale', anchors.anchorScale)
    if (anchors.scales !== undefined) {
      checkList('anchors.scales', anchors.scales, 'a list of numbers such as [1, 1.26, 1.59]')
      for (const scale of anchors.scales) checkPositive('a scale in anchors.scales', scale)
    }
    if (anchors.ratios !== undefined) {
      const expected = 'a list of [width, height] pairs such as [[1, 1], [1.4, 0.7], [0.7, 1.4]]'
      checkList('anchors.ratios', anchors.ratios, expected)
      for (const ratio of anchors.ratios) {
        if (!Array.isArray(ratio) || ratio.length !== 2)
          throw invalidOption('anchors.ratios', anchors.ratios, expected)
        for (const side of ratio) checkPositive('a side in anchors.ratios', side)
      }
    }
  }
  if (labels !== undefined && (labels === null || !isLabels(labels))) {
    throw new EfficientDetError(
      'ERR_LABELS',
      `labels are not a list of texts, of at most ${MAX_LABEL_LETTERS} letters each, ${MAX_LABELS_LETTERS} together and ${MAX_CLASSES} in number; give one name per class.`,
    )
  }
  return {
    ...(prefix !== undefined && { prefix }),
    ...(variant !== undefined && { variant }),
    ...(preprocessing !== undefined && { preprocessing }),
    ...(padding !== undefined && { padding: { ...padding } }),
    ...(anchors !== undefined && { anchors: copyAnchors(anchors) }),
    ...(labels !== undefined && { labels: [...labels] }),
  }
}

function copyAnchors({ anchorScale, scales, ratios }: Partial<AnchorConfig>): Partial<AnchorConfig> {
  return {
    ...(anchorScale !== undefined && { anchorScale }),
    ...(scales !== undefined && { scales: [...scales] }),
    ...(ratios !== undefined && { ratios: ratios.map(([width, height]) => [width, height] as const) }),
  }
}

function checkPositive(name: string, value: unknown): void {
  checkNumber(name, value, ANCHOR_FACTORS.min, ANCHOR_FACTORS.max)
}

function checkList(name: string, value: unknown, expected: string): void {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_ANCHOR_SHAPES) {
    throw invalidOption(name, value, expected)
  }
}
