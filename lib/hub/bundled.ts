import { fileURLToPath } from 'node:url'

/** Models that come with this package. */
export const BUNDLED_MODELS = ['person'] as const

export function bundledPath(file: string): string {
  return fileURLToPath(new URL(`../../models/${file}`, import.meta.url))
}
