import type { ModelSpec } from '../models/spec.js'
import { twoAProcessor } from './common.js'
import { DETECT_OPTIONS, type DetectOptions, type DetectSettings, detectSettings } from './detect.js'
import { byDefault, checkOptions, choice, integer, type OptionsOf } from './option.js'

/** What a stream does with an image that fails: throw its error, or yield it in the image's place. */
const ERROR_POLICIES = ['throw', 'yield'] as const
export type ErrorPolicy = (typeof ERROR_POLICIES)[number]

export interface StreamOptions<OnError extends ErrorPolicy = ErrorPolicy> extends DetectOptions {
  /** Images that are read or worked on at the same time; 1…1000. Defaults to two a processor, at least 4. */
  readonly maxInFlight?: number
  /** `throw`, the default, ends the stream; `yield` gives a `DetectionFailure` and goes on. */
  readonly onError?: OnError
}

export const STREAM_OPTIONS = {
  ...DETECT_OPTIONS,
  maxInFlight: integer('images at the same time', 1, 1000, twoAProcessor(4)),
  onError: choice('what becomes of the error of an image', ERROR_POLICIES, byDefault('throw')),
} satisfies OptionsOf<StreamOptions>

export interface StreamSettings extends DetectSettings {
  readonly maxInFlight: number
  readonly onError: ErrorPolicy
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkStreamOptions(options: StreamOptions, spec: ModelSpec): StreamSettings {
  const settings = checkOptions('the stream options', options, STREAM_OPTIONS)
  const { maxInFlight, onError } = settings
  return { ...detectSettings(settings, spec), maxInFlight, onError }
}
