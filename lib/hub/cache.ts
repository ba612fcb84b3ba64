import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * The folder of downloaded models: `EFFICIENTDET_CACHE`, or efficientdet-trt in `XDG_CACHE_HOME`, or in
 * `~/.cache`. Never inside the package, which may be read-only.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.EFFICIENTDET_CACHE) return env.EFFICIENTDET_CACHE
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'efficientdet-trt')
}
