import { closest } from '../base/closest.js'
import { abridged } from '../base/listing.js'
import { labelOf } from '../models/labels.js'
import type { ModelSpec } from '../models/spec.js'
import { checkNumber, invalidOption } from './checks.js'

/** What is asked about scores; what it says of classes makes sense with a model alone. */
export interface ThresholdSettings {
  readonly scoreThreshold: number
  /** By label or class id. */
  readonly classThresholds: Readonly<Record<string, unknown>> | null
  readonly classes: readonly unknown[] | null
}

/** A threshold that no score is above. */
const NEVER = 2

/** What calls with the same model share. */
interface Shared {
  readonly ids: ReadonlyMap<string, number>
  /** Thresholds of the last call, which nobody writes to any more. */
  last: Float32Array
  /** Room for those of the next. */
  next: Float32Array
}

const sharedOf = new WeakMap<ModelSpec, Shared>()

/** The threshold of each class. Calls that want the same are given the same array: most do, and new ones cost the addon time. */
export function scoreThresholds(
  { scoreThreshold, classThresholds, classes }: ThresholdSettings,
  spec: ModelSpec,
): Float32Array {
  const shared = sharedOf.get(spec) ?? sharedBy(spec)
  const { ids, last, next } = shared
  next.fill(scoreThreshold)
  if (classThresholds !== null) {
    for (const [key, threshold] of Object.entries(classThresholds)) {
      const classId = classIdOf('a name in classThresholds', key, ids, next.length)
      next[classId] = checkNumber(`the threshold of "${abridged(key, 80)}"`, threshold, 0, 1)
    }
  }
  if (classes !== null) leaveOnly(classes, ids, next)
  if (next.every((threshold, classId) => threshold === last[classId])) return last
  shared.last = next
  shared.next = new Float32Array(next.length)
  return next
}

function sharedBy(spec: ModelSpec): Shared {
  const { architecture, labels } = spec
  const names = Array.from({ length: architecture.classes }, (_, classId) => labelOf(labels, classId))
  const shared = {
    // The first of equal names counts.
    ids: new Map(names.map((name, classId) => [name, classId] as const).reverse()),
    last: new Float32Array(names.length),
    next: new Float32Array(names.length),
  }
  sharedOf.set(spec, shared)
  return shared
}

/** Maps and lists have entries of another kind, which would be passed over silently. */
export function checkClassThresholds(
  name: string,
  thresholds: unknown,
): Readonly<Record<string, unknown>> | null {
  if (typeof thresholds === 'object' && thresholds !== null && !(Symbol.iterator in thresholds)) {
    return thresholds as Readonly<Record<string, unknown>>
  }
  throw invalidOption(name, thresholds, 'an object such as { person: 0.6 }')
}

export function checkClasses(name: string, wanted: unknown): readonly unknown[] | null {
  if (Array.isArray(wanted)) return wanted
  throw invalidOption(name, wanted, 'a list of labels or class ids')
}

function leaveOnly(
  wanted: readonly unknown[],
  ids: ReadonlyMap<string, number>,
  thresholds: Float32Array,
): void {
  const isWanted = new Set(
    wanted.map((item) => classIdOf('an entry of classes', item, ids, thresholds.length)),
  )
  for (let classId = 0; classId < thresholds.length; classId++) {
    if (!isWanted.has(classId)) thresholds[classId] = NEVER
  }
}

/** @param item a label, or a class id as a number or, where no label is the same, in digits */
function classIdOf(what: string, item: unknown, ids: ReadonlyMap<string, number>, classes: number): number {
  const labelled = typeof item === 'string' ? ids.get(item) : undefined
  if (labelled !== undefined) return labelled
  const classId = typeof item === 'string' && /^\d+$/.test(item) ? Number(item) : item
  if (typeof classId === 'number' && Number.isInteger(classId) && classId >= 0 && classId < classes)
    return classId
  const similar = typeof item === 'string' ? closest(item, [...ids.keys()]) : null
  throw invalidOption(
    what,
    item,
    `a label of the model or a class id from 0 to ${classes - 1}` +
      (similar === null ? '' : ` (did you mean "${similar}"?)`),
  )
}
