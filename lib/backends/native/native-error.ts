import { EfficientDetError, type ErrorCode } from '../../errors.js'

/** Codes that the addon gives (native/addon/status.h). */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ERR_BACKEND_UNAVAILABLE: 'ERR_BACKEND_UNAVAILABLE',
  ERR_ENGINE: 'ERR_ENGINE',
  ERR_OUT_OF_MEMORY: 'ERR_OUT_OF_MEMORY',
  ERR_INFERENCE: 'ERR_INFERENCE',
  ERR_DEVICE_LOST: 'ERR_DEVICE_LOST',
}

/** An error of the addon as ours, made where the caller's stack can be seen; a build's has `details.log`. */
export function nativeError(error: unknown, what: string): EfficientDetError {
  const { code, message, log } = error as { code?: string; message: string; log?: string }
  return new EfficientDetError(CODES[code ?? ''] ?? 'ERR_INFERENCE', `${what}: ${message}`, {
    cause: error,
    ...(log && { details: { log } }),
  })
}
