import type { BuildOptions } from './build.js'
import { BACKEND_LIBRARY, DEVICE, LIBRARY_PATH, SIGNAL } from './common.js'
import { checkOptions, type OptionsOf, type Settings } from './option.js'

export type InspectEngineOptions = Pick<BuildOptions, 'device' | 'libraryPath' | 'backendLibrary' | 'signal'>

export const INSPECT_ENGINE_OPTIONS = {
  device: DEVICE,
  libraryPath: LIBRARY_PATH,
  backendLibrary: BACKEND_LIBRARY,
  signal: SIGNAL,
} satisfies OptionsOf<InspectEngineOptions>

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkInspectEngineOptions(
  options: InspectEngineOptions,
): Settings<typeof INSPECT_ENGINE_OPTIONS> {
  return checkOptions('the inspect options', options, INSPECT_ENGINE_OPTIONS)
}
