import { EfficientDetError } from './errors.js'

/**
 * Imports a package that only some need, and so is an optional peer of this one.
 *
 * @throws EfficientDetError ERR_PACKAGE_FILE with the command that installs it
 */
export async function importPeer<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const reason = code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : `cannot be loaded (${message})`
    throw new EfficientDetError(
      'ERR_PACKAGE_FILE',
      `The package ${name} ${reason}. Run: npm install ${name}`,
      {
        cause,
      },
    )
  }
}
