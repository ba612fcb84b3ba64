import { EfficientDetError, type ErrorCode } from '../../base/errors.js'
import type { Fault } from './addon.js'

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

/**
 * An error of a build, with what TensorRT said as `details.log`, and what is missing as `details.fault`.
 *
 * @param advice what to do about it, by its code and message
 */
export function buildError(
  error: unknown,
  advice: (code: ErrorCode, message: string) => string | null,
): EfficientDetError {
  const { code, message, cause } = makingError(error, 'The engine cannot be built')
  const { log = '', fault } = error as { log?: string; fault?: Fault }
  const advised = [message.replace(/(?<![.!?])$/, '.'), advice(code, message)].filter((text) => text !== null)
  return new EfficientDetError(code, advised.join(' '), {
    cause,
    details: { log, ...(fault !== undefined && { fault }) },
  })
}
