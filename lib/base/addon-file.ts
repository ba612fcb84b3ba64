import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Where the addon lies: a local build, or the prebuilt one of this platform. @throws Error that lists what was sought */
export function addonPath(): string {
  // node-gyp-build knows where prebuildify and local builds put addons, and which of several fits.
  const { resolve } = here()('node-gyp-build') as { resolve: (root: string) => string }
  return resolve(fileURLToPath(new URL('../..', import.meta.url)))
}

/** Loads the addon, once per thread. @throws Error when it is missing or does not fit this machine */
export function loadAddonFile(): unknown {
  return here()(addonPath())
}

/** Made when it is called, for in a bundle of CommonJS form this module has no place and importing it must not fail. */
function here(): NodeJS.Require {
  return createRequire(import.meta.url)
}
