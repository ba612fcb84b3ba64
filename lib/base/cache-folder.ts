import { homedir } from 'node:os'
import { join } from 'node:path'
import { EfficientDetError } from './errors.js'

/**
 * The folder of downloaded models: `EFFICIENTDET_CACHE`, or efficientdet-trt in `XDG_CACHE_HOME`, or in
 * `~/.cache`. Never inside the package, which may be read-only.
 *
 * @throws EfficientDetError ERR_OUTPUT for a user without a home folder, as containers have them
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.EFFICIENTDET_CACHE) return env.EFFICIENTDET_CACHE
  return join(env.XDG_CACHE_HOME || join(homeFolder(), '.cache'), 'efficientdet-trt')
}

function homeFolder(): string {
  try {
    return homedir()
  } catch (cause) {
    throw new EfficientDetError(
      'ERR_OUTPUT',
      `This user has no home folder for the model cache (${(cause as Error).message}). ` +
        'Set EFFICIENTDET_CACHE to a folder that can be written.',
      { cause },
    )
  }
}
