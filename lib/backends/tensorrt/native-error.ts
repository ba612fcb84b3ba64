import { EfficientDetError, type ErrorCode } from '../../base/errors.js'

/** Codes that the addon gives (native/addon/status.h). */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ERR_BACKEND_UNAVAILABLE: 'ERR_BACKEND_UNAVAILABLE',
  ERR_ENGINE: 'ERR_ENGINE',
  ERR_OUT_OF_MEMORY: 'ERR_OUT_OF_MEMORY',
  ERR_INFERENCE: 'ERR_INFERENCE',
  ERR_DEVICE_LOST: 'ERR_DEVICE_LOST',
}

/** An error of the addon as ours, made where the caller's stack can be seen. */
export function nativeError(error: unknown, what: string): EfficientDetError {
  const { code, message } = error as { code?: string; message: string }
  return new EfficientDetError(CODES[code ?? ''] ?? 'ERR_INFERENCE', `${what}: ${message}`, { cause: error })
}

/** As `nativeError`, of what makes engines: nothing was run, so what has no better code is the engine's. */
export function makingError(error: unknown, what: string): EfficientDetError {
  const { code, message, cause } = nativeError(error, what)
  return new EfficientDetError(code === 'ERR_INFERENCE' ? 'ERR_ENGINE' : code, message, { cause })
}
