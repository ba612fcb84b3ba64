import { DAMAGED, type Damaged, DECODINGS, type Decoding } from '../image/decode.js'
import type { ModelSpec } from '../models/spec.js'
import type { PostprocessParameters } from '../postprocess/detections.js'
import { NMS_KINDS, type NmsKind } from '../postprocess/nms.js'
import { SIGNAL } from './common.js'
import {
  byDefault,
  checkOptions,
  choice,
  integer,
  number,
  type OptionsOf,
  other,
  type Settings,
} from './option.js'
import { checkClasses, checkClassThresholds, scoreThresholds } from './score-thresholds.js'

/** What a caller can choose about detections. */
export interface DetectOptions {
  /** Scores must be above it; 0…1. Defaults to 0.4. */
  readonly scoreThreshold?: number
  /** Thresholds of some classes, by label or classId, in place of `scoreThreshold`; 0…1. */
  readonly classThresholds?: Readonly<Record<string | number, number>>
  /** Only these classes, by label or classId. Defaults to all. */
  readonly classes?: readonly (string | number)[]
  /** Overlap (intersection over union, 0…1) above which the worse of two competing boxes is dropped. Defaults to 0.5. */
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
  /**
   * `fast` shrinks a JPEG while it is decoded, if it is at least three times as wide and high as in the network's input.
   *
   * Boxes then differ a little (README). Defaults to `exact`.
   */
  readonly decode?: Decoding
  readonly signal?: AbortSignal
}

export const DETECT_OPTIONS = {
  scoreThreshold: number('scores must be above it, 0 to 1', 0, 1, byDefault(0.4)),
  classThresholds: other('thresholds of some classes', checkClassThresholds, byDefault(null)),
  classes: other(
    'only these classes, by label or number: person,dog; one with a comma by its number',
    checkClasses,
    byDefault(null, 'all'),
  ),
  iouThreshold: number('overlap from which the worse of two boxes is dropped, 0 to 1', 0, 1, byDefault(0.5)),
  maxDetections: integer('detections of an image at most', 1, 100_000, byDefault(100)),
  preNmsTopK: integer('class scores that enter suppression at most', 1, 1_000_000, byDefault(5000)),
  nms: choice('boxes compete within their class or all with all', NMS_KINDS, byDefault('class')),
  damaged: choice(
    'whether damaged files are taken as far as they can be decoded',
    DAMAGED,
    byDefault('refuse'),
  ),
  decode: choice(
    'whether large JPEGs are decoded in full or shrunk on the way',
    DECODINGS,
    byDefault('exact'),
  ),
  signal: SIGNAL,
} satisfies OptionsOf<DetectOptions>

/** What a call of `detect` asks for. */
export interface DetectSettings {
  readonly parameters: PostprocessParameters
  readonly damaged: Damaged
  readonly decode: Decoding
  readonly signal: AbortSignal | undefined
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkDetectOptions(options: DetectOptions, spec: ModelSpec): DetectSettings {
  return detectSettings(checkOptions('the detect options', options, DETECT_OPTIONS), spec)
}

/** Settings of options that were checked, but for the classes that they name. */
export function detectSettings(options: Settings<typeof DETECT_OPTIONS>, spec: ModelSpec): DetectSettings {
  const { iouThreshold, maxDetections, preNmsTopK, nms, damaged, decode, signal } = options
  return {
    parameters: {
      scoreThresholds: scoreThresholds(options, spec),
      iouThreshold,
      maxDetections,
      preNmsTopK,
      nms,
    },
    damaged,
    decode,
    signal,
  }
}
