import { checkInteger, invalidOption } from './checks.js'
import { byDefault, type OptionsOf, other } from './option.js'

/** Three numbers of detections of a picture, ascending. */
export type DetectionLimits = readonly [number, number, number]

/** What a caller can choose about an evaluation. */
export interface EvaluateOptions {
  /**
   * Best detections of a picture that count: for the three average recalls, and the largest for all else; 1…100000.
   * Defaults to 1, 10, 100, as COCO has it.
   */
  readonly maxDetections?: DetectionLimits
}

export const EVALUATE_OPTIONS = {
  maxDetections: other(
    'detections of a picture that count',
    checkLimits,
    byDefault<DetectionLimits>([1, 10, 100], '1, 10, 100'),
  ),
} satisfies OptionsOf<EvaluateOptions>

function checkLimits(name: string, value: unknown): DetectionLimits {
  if (!Array.isArray(value) || value.length !== 3) throw invalidOption(name, value, 'a list of three numbers')
  const [first, second, third] = value.map((it, i) => checkInteger(`${name}[${i}]`, it, 1, 100_000))
  if (first > second || second > third) throw invalidOption(name, value, 'three numbers in ascending order')
  return [first, second, third]
}
