import { EfficientDetError } from '../errors.js'
import type { BackendName, Probe } from './backend.js'

/** An error that says why a backend cannot run here and what would mend it. */
export function unavailable(name: BackendName, reason: string, remedy: string): EfficientDetError {
  return new EfficientDetError(
    'ERR_BACKEND_UNAVAILABLE',
    `The ${name} backend cannot run: ${reason}. Remedy: ${remedy}.`,
    {
      details: { reason, remedy },
    },
  )
}

/** The same facts as a probe's answer; other errors are thrown on. */
export function probeOf(error: unknown): Extract<Probe, { usable: false }> {
  if (error instanceof EfficientDetError && error.code === 'ERR_BACKEND_UNAVAILABLE') {
    const { reason, remedy } = error.details as { reason: string; remedy: string }
    return { usable: false, reason, remedy }
  }
  throw error
}
