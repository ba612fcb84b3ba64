import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EfficientDetError } from './errors.js'

/**
 * A worker or model of this package, read or started rather than imported. It lies beside the module that names it,
 * so a bundle may lack it.
 *
 * Workers have names that are unlikely in an application, lest one of its own files be started instead.
 *
 * @param base `import.meta.url` of that module; undefined in a bundle of CommonJS form
 * @throws EfficientDetError ERR_PACKAGE_FILE
 */
export function packageFile(relative: string, base: string | undefined): URL {
  const url = URL.canParse(relative, base) ? new URL(relative, base) : null
  const isFile = url?.protocol === 'file:'
  if (isFile && existsSync(url)) return url
  throw new EfficientDetError(
    'ERR_PACKAGE_FILE',
    `${isFile ? fileURLToPath(url) : relative} of efficientdet-trt is not there. If this program is a bundle, leave the ` +
      'package out of it (esbuild: --external:efficientdet-trt, Next.js: serverExternalPackages) and ship it in ' +
      'node_modules; else install it again.',
  )
}
