import { EfficientDetError, type ErrorCode } from '../../base/errors.js'
import type { EngineRecipe } from '../../engines/header.js'
import { ADVICE, largestLayerBytes } from '../../engines/memory.js'
import type { LibraryFault } from '../backend.js'
import { makingError } from './native-error.js'

/** An error of a build, with advice, what TensorRT said as `details.log`, and what is missing as `details.fault`. */
export function buildError(error: unknown, recipe: EngineRecipe): EfficientDetError {
  const { code, message, cause } = makingError(error, 'The engine cannot be built')
  const { log = '', fault } = error as { log?: string; fault?: LibraryFault }
  const sentence = message.replace(/(?<![.!?])$/, '.')
  const advice = adviceOn(code, message, recipe)
  return new EfficientDetError(code, advice === null ? sentence : `${sentence} ${advice}`, {
    cause,
    details: { log, ...(fault !== undefined && { fault }) },
  })
}

function adviceOn(
  code: ErrorCode,
  message: string,
  { spec, inputSize, settings }: EngineRecipe,
): string | null {
  const { workspaceBytes } = settings
  const isMemory = code === 'ERR_OUT_OF_MEMORY'
  if (!isMemory && !/workspace/i.test(message)) return null
  // TensorRT calls it out of memory, too, when the workspace is all used.
  if (workspaceBytes === 0) return isMemory ? ADVICE : null
  const largest = largestLayerBytes(spec.architecture, inputSize, settings)
  return `The workspace was limited to ${workspaceBytes / 1e6} MB, and the largest layer moves ${Math.ceil(largest / 1e6)} MB. Allow more, or leave it to TensorRT.`
}
