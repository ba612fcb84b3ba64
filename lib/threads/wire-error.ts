import { EfficientDetError, type ErrorCode } from '../base/errors.js'

/** An error as it travels between threads, for structured cloning keeps neither class nor code. */
export interface WireError {
  readonly code: ErrorCode | null
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
  readonly stack: string | undefined
}

export function toWire(error: unknown): WireError {
  if (error instanceof EfficientDetError) {
    return { code: error.code, message: error.message, details: error.details, stack: error.stack }
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return { code: null, message, details: {}, stack }
}

/**
 * The error again, thrown anew where the caller can see it. What no code names is a fault of the thread's
 * work, called by `fallback`.
 */
export function fromWire(
  { code, message, details, stack }: WireError,
  fallback: ErrorCode,
): EfficientDetError {
  const cause = Object.assign(new Error(message), { stack })
  return new EfficientDetError(code ?? fallback, message, { cause, details })
}
