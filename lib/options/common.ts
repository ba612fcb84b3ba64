import { availableProcessors } from '../base/available-processors.js'
import { MAX_ENGINE_BATCH } from '../base/limits.js'
import type { EngineChoices } from '../engines/settings.js'
import type { Size } from '../models/levels.js'
import { checkDevice, checkSignal, checkSize } from './checks.js'
import { checkEngineOptions, type EngineOptions } from './engine.js'
import { byDefault, type Default, integer, type Option, other, path } from './option.js'

/** Options that several calls have, in one meaning. */

export const INPUT_SIZE: Option<Size | null> = other(
  "height and width of the network's input",
  checkSize,
  byDefault(null, "the model's own"),
)

export const MAX_BATCH_SIZE = integer(
  'frames that a GPU works on together at most',
  1,
  MAX_ENGINE_BATCH,
  byDefault(8),
)

export const DEVICE = other('number of the GPU', checkDevice, byDefault<number>(0))

export const LIBRARY_PATH = path("the folder of TensorRT's libraries", 'where the system looks')

export const BACKEND_LIBRARY = path("the GPU backend's library", 'beside the addon')

export const ENGINE: Option<EngineChoices> = other(
  'how an engine is built',
  (_, value) => checkEngineOptions(value as EngineOptions),
  byDefault(checkEngineOptions(), ''),
)

export const SIGNAL: Option<AbortSignal | undefined> = other(
  'ends the call',
  (_, value) => checkSignal(value),
  byDefault(undefined),
)

/** As many as keep every processor at work, while others are read. */
export function twoAProcessor(atLeast: number): Default<number> {
  return {
    // Asked for anew: a container's quota may change.
    get value() {
      return Math.max(atLeast, 2 * availableProcessors())
    },
    shown: `two a processor (at least ${atLeast})`,
  }
}
