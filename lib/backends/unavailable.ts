import { EfficientDetError } from '../base/errors.js'
import type { BackendName, Unavailability } from './backend.js'

/** The error for a caller who asked for one backend that cannot run here. */
export function unavailableError(
  name: BackendName,
  { reason, remedy, faults }: Unavailability,
): EfficientDetError {
  return new EfficientDetError(
    'ERR_BACKEND_UNAVAILABLE',
    `The ${name} backend cannot run: ${reason}. Remedy: ${remedy}.`,
    { details: { reason, remedy, faults } },
  )
}
