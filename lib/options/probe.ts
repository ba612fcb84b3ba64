import type { BuildOptions } from './build.js'
import { BACKEND_LIBRARY, LIBRARY_PATH, SIGNAL } from './common.js'
import { checkOptions, type OptionsOf, type Settings } from './option.js'

export type ProbeOptions = Pick<BuildOptions, 'libraryPath' | 'backendLibrary' | 'signal'>

export const PROBE_OPTIONS = {
  libraryPath: LIBRARY_PATH,
  backendLibrary: BACKEND_LIBRARY,
  signal: SIGNAL,
} satisfies OptionsOf<ProbeOptions>

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkProbeOptions(options: ProbeOptions): Settings<typeof PROBE_OPTIONS> {
  return checkOptions('the probe options', options, PROBE_OPTIONS)
}
