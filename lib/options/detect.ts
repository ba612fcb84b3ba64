import { labelOf } from '../models/labels.js'
import type { ModelSpec } from '../models/spec.js'
import type { Selection } from '../postprocess/detections.js'
import { NMS_KINDS, type NmsKind } from '../postprocess/nms.js'
import { checkInteger, checkNames, checkNumber, checkOneOf, closest, invalidOption } from './checks.js'

/** What a caller can choose about detections. */
export interface DetectOptions {
  /** Scores must be above it; 0…1. Defaults to 0.4. */
  readonly scoreThreshold?: number
  /** Of two competing boxes that overlap more (intersection over union, 0…1), the worse is dropped. Defaults to 0.5. */
  readonly iouThreshold?: number
  /** Best detections that are kept; 1…100000. Defaults to 100. */
  readonly maxDetections?: number
  /** Best class scores that enter non-maximum suppression; 1…1000000. Defaults to 5000, as the trainers have it. */
  readonly maxCandidates?: number
  /** Whether boxes compete within their class (`class`, the default) or all with all (`agnostic`). */
  readonly nms?: NmsKind
  /** Only these classes, by label or classId. Defaults to all. */
  readonly classes?: readonly (string | number)[]
  readonly signal?: AbortSignal
}

export const DETECT_OPTION_NAMES = [
  'scoreThreshold',
  'iouThreshold',
  'maxDetections',
  'maxCandidates',
  'nms',
  'classes',
  'signal',
] as const

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkDetectOptions(options: DetectOptions, spec: ModelSpec): Selection {
  checkNames('the detect options', options, DETECT_OPTION_NAMES)
  const { classes } = options
  return {
    scoreThreshold: checkNumber('scoreThreshold', options.scoreThreshold ?? 0.4, 0, 1),
    iouThreshold: checkNumber('iouThreshold', options.iouThreshold ?? 0.5, 0, 1),
    maxDetections: checkInteger('maxDetections', options.maxDetections ?? 100, 1, 100_000),
    maxCandidates: checkInteger('maxCandidates', options.maxCandidates ?? 5000, 1, 1_000_000),
    nms: checkOneOf('nms', options.nms ?? 'class', NMS_KINDS),
    allowed: classes === undefined ? null : allowedClasses(classes, spec),
  }
}

function allowedClasses(
  wanted: readonly (string | number)[],
  { architecture, labels }: ModelSpec,
): boolean[] {
  if (!Array.isArray(wanted)) throw invalidOption('classes', wanted, 'a list of labels or class ids')
  const names = Array.from({ length: architecture.classes }, (_, classId) => labelOf(labels, classId))
  const allowed = names.map(() => false)
  for (const item of wanted) {
    const classId = typeof item === 'string' ? names.indexOf(item) : item
    if (!(Number.isInteger(classId) && classId >= 0 && classId < names.length)) {
      const similar = typeof item === 'string' ? closest(item, names) : null
      throw invalidOption(
        'an entry of classes',
        item,
        `a label of the model or a class id from 0 to ${names.length - 1}` +
          (similar === null ? '' : ` (did you mean "${similar}"?)`),
      )
    }
    allowed[classId] = true
  }
  return allowed
}
