import { closest } from '../base/closest.js'
import { DAMAGED, type Damaged } from '../image/decode.js'
import { labelOf } from '../models/labels.js'
import type { ModelSpec } from '../models/spec.js'
import type { PostprocessParameters } from '../postprocess/detections.js'
import { NMS_KINDS, type NmsKind } from '../postprocess/nms.js'
import { checkInteger, checkNames, checkNumber, checkOneOf, invalidOption } from './checks.js'

/** What a caller can choose about detections. */
export interface DetectOptions {
  /** Scores must be above it; 0…1. Defaults to 0.4. */
  readonly scoreThreshold?: number
  /** Thresholds of some classes, by label or classId, in place of `scoreThreshold`; 0…1. */
  readonly classThresholds?: Readonly<Record<string | number, number>>
  /** Only these classes, by label or classId. Defaults to all. */
  readonly classes?: readonly (string | number)[]
  /** Of two competing boxes that overlap more (intersection over union, 0…1), the worse is dropped. Defaults to 0.5. */
  readonly iouThreshold?: number
  /** Best detections that are kept; 1…100000. Defaults to 100. */
  readonly maxDetections?: number
  /** Best class scores that enter non-maximum suppression; 1…1000000. Defaults to 5000, as the trainers have it. */
  readonly preNmsTopK?: number
  /** Whether boxes compete within their class (`class`, the default) or all with all (`agnostic`). */
  readonly nms?: NmsKind
  /**
   * Whether a file of which pixels are missing or damaged is refused (`refuse`, the default) or taken as far as it can
   * be decoded, with a warning (`accept`).
   */
  readonly damaged?: Damaged
  readonly signal?: AbortSignal
}

export const DETECT_OPTION_NAMES = [
  'scoreThreshold',
  'classThresholds',
  'classes',
  'iouThreshold',
  'maxDetections',
  'preNmsTopK',
  'nms',
  'damaged',
  'signal',
] as const

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkDetectOptions(options: DetectOptions, spec: ModelSpec): PostprocessParameters {
  checkNames('the detect options', options, DETECT_OPTION_NAMES)
  return {
    scoreThresholds: scoreThresholds(options, spec),
    iouThreshold: checkNumber('iouThreshold', options.iouThreshold ?? 0.5, 0, 1),
    maxDetections: checkInteger('maxDetections', options.maxDetections ?? 100, 1, 100_000),
    preNmsTopK: checkInteger('preNmsTopK', options.preNmsTopK ?? 5000, 1, 1_000_000),
    nms: checkOneOf('nms', options.nms ?? 'class', NMS_KINDS),
  }
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkDamaged(damaged: unknown): Damaged {
  return checkOneOf('damaged', damaged ?? 'refuse', DAMAGED)
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

/** Of each class. Calls that want the same are given the same array: most do, and new ones cost the addon time. */
function scoreThresholds(
  { scoreThreshold, classThresholds, classes }: DetectOptions,
  spec: ModelSpec,
): Float32Array {
  const shared = sharedOf.get(spec) ?? sharedBy(spec)
  const { ids, last, next } = shared
  next.fill(checkNumber('scoreThreshold', scoreThreshold ?? 0.4, 0, 1))
  if (classThresholds !== undefined) {
    for (const [key, threshold] of entriesOf(classThresholds)) {
      const classId = classIdOf('a name in classThresholds', key, ids, next.length)
      next[classId] = checkNumber(`the threshold of ${JSON.stringify(key)}`, threshold, 0, 1)
    }
  }
  if (classes !== undefined) leaveOnly(classes, ids, next)
  if (next.every((threshold, classId) => threshold === last[classId])) return last
  shared.last = next
  shared.next = new Float32Array(next.length)
  return next
}

function sharedBy(spec: ModelSpec): Shared {
  const { architecture, labels } = spec
  const names = Array.from({ length: architecture.classes }, (_, classId) => labelOf(labels, classId))
  const shared = {
    // Of equal names the first counts.
    ids: new Map(names.map((name, classId) => [name, classId] as const).reverse()),
    last: new Float32Array(names.length),
    next: new Float32Array(names.length),
  }
  sharedOf.set(spec, shared)
  return shared
}

/** Maps and lists have entries of another kind, which would be passed over silently. */
function entriesOf(thresholds: unknown): [string, unknown][] {
  if (typeof thresholds === 'object' && thresholds !== null && !(Symbol.iterator in thresholds)) {
    return Object.entries(thresholds)
  }
  throw invalidOption('classThresholds', thresholds, 'an object such as { person: 0.6 }')
}

function leaveOnly(wanted: unknown, ids: ReadonlyMap<string, number>, thresholds: Float32Array): void {
  if (!Array.isArray(wanted)) throw invalidOption('classes', wanted, 'a list of labels or class ids')
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
