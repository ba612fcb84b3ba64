import type { AnchorConfig } from './anchors.js'
import type { Preprocessing } from './preprocessing.js'
import type { Padding } from './spec.js'

/** Whether values that were read from a file are parts of a model. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

export function isPreprocessing(value: unknown): value is Preprocessing {
  return (
    isRecord(value) &&
    (value.resize === 'antialiased' || value.resize === 'bilinear') &&
    isNumbers(value.mean, 3) &&
    isNumbers(value.std, 3) &&
    value.std.every(isPositive) &&
    isNumbers(value.fill, 3)
  )
}

export function isPadding(value: unknown): value is Padding {
  const isConv = (rule: unknown) => rule === 'same' || rule === 'symmetric'
  return (
    isRecord(value) &&
    isConv(value.backbone) &&
    isConv(value.fpn) &&
    (value.pool === 'infinity' || value.pool === 'zero')
  )
}

export function isAnchors(value: unknown): value is AnchorConfig {
  return (
    isRecord(value) &&
    isPositive(value.anchorScale) &&
    isNumbers(value.scales) &&
    value.scales.every(isPositive) &&
    Array.isArray(value.ratios) &&
    value.ratios.length > 0 &&
    value.ratios.every((ratio) => isNumbers(ratio, 2) && ratio.every(isPositive))
  )
}

export function isLabels(value: unknown): value is string[] | null {
  return value === null || isTexts(value)
}

export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isNumbers(value: unknown, length?: number): value is number[] {
  return (
    Array.isArray(value) &&
    (length === undefined ? value.length > 0 : value.length === length) &&
    value.every((item) => Number.isFinite(item))
  )
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY
}
