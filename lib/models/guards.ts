import {
  ANCHOR_FACTORS,
  MAX_ANCHOR_SHAPES,
  MAX_CLASSES,
  MAX_LABEL_LETTERS,
  MAX_LABELS_LETTERS,
} from '../base/limits.js'
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
    isAnchorFactor(value.anchorScale) &&
    isAnchorShapes(value.scales) &&
    value.scales.every(isAnchorFactor) &&
    isAnchorShapes(value.ratios) &&
    value.ratios.every((ratio) => isNumbers(ratio, 2) && ratio.every(isAnchorFactor))
  )
}

export function isLabels(value: unknown): value is string[] | null {
  return (
    value === null ||
    (isTexts(value, MAX_CLASSES, MAX_LABEL_LETTERS) &&
      value.reduce((sum, label) => sum + label.length, 0) <= MAX_LABELS_LETTERS)
  )
}

/** A list of texts, so many at most, of so many letters each. */
export function isTexts(value: unknown, most: number, longest: number): value is string[] {
  // Spread, for `every` passes over the holes of a sparse list.
  return Array.isArray(value) && value.length <= most && [...value].every((item) => isText(item, longest))
}

export function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest
}

function isAnchorShapes(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= MAX_ANCHOR_SHAPES
}

function isAnchorFactor(value: unknown): boolean {
  return typeof value === 'number' && value >= ANCHOR_FACTORS.min && value <= ANCHOR_FACTORS.max
}

function isNumbers(value: unknown, length: number): value is number[] {
  return Array.isArray(value) && value.length === length && value.every((item) => Number.isFinite(item))
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY
}
