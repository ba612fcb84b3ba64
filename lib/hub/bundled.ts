import { fileURLToPath } from 'node:url'
import { packageFile } from '../base/package-file.js'

/** Models that come with this package. */
export const BUNDLED_MODELS = ['person'] as const

/** @throws EfficientDetError ERR_PACKAGE_FILE in a bundle */
export function bundledPath(file: string): string {
  return fileURLToPath(packageFile(`../../models/${file}`, import.meta.url))
}
