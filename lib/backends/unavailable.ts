import { EfficientDetError } from '../base/errors.js'
import type { BackendName, Probe } from './backend.js'
import type { Fault } from './tensorrt/addon.js'

/**
 * An error that says why a backend cannot run here and what would mend it.
 *
 * @param faults what each of its libraries lacks, for programs
 */
export function unavailable(
  name: BackendName,
  reason: string,
  remedy: string,
  faults: readonly Fault[] = [],
): EfficientDetError {
  return new EfficientDetError(
    'ERR_BACKEND_UNAVAILABLE',
    `The ${name} backend cannot run: ${reason}. Remedy: ${remedy}.`,
    {
      details: { reason, remedy, faults },
    },
  )
}

/** What an error's details say. */
type Unavailability = Pick<Extract<Probe, { usable: false }>, 'reason' | 'remedy' | 'faults'>

/** The same facts as a probe's answer; other errors are thrown on. */
export function probeOf(error: unknown): Extract<Probe, { usable: false }> {
  if (error instanceof EfficientDetError && error.code === 'ERR_BACKEND_UNAVAILABLE') {
    const { reason, remedy, faults } = error.details as Unavailability
    return { usable: false, reason, remedy, faults, details: [] }
  }
  throw error
}
