import { EfficientDetError } from './errors.js'
import { abridged } from './listing.js'

/**
 * Looks at an object of the caller's. Its getters, its proxy's traps and memory that was transferred away may throw
 * anything, which is the fault of that object alone.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION in the place of what was thrown
 */
export function inspect<T>(what: string, look: () => T): T {
  try {
    return look()
  } catch (error) {
    throw uninspectable(what, error)
  }
}

/** The error for an object that throws when it is looked at; errors of this package stay what they are. */
export function uninspectable(what: string, cause: unknown): EfficientDetError {
  if (cause instanceof EfficientDetError) return cause
  const reason = cause instanceof Error ? `: ${abridged(String(cause.message))}` : ''
  return new EfficientDetError(
    'ERR_INVALID_OPTION',
    `Looking at ${what} throws${reason}. Expected an object whose fields can be read.`,
    { cause },
  )
}
