import { EfficientDetError } from '../base/errors.js'

/** Why an engine file cannot be used. */
export type EngineFault =
  /** It is no engine file of this package. */
  | 'foreign'
  /** Its end is missing. */
  | 'truncated'
  /** Its bytes are not those that were written. */
  | 'damaged'
  /** A later version of this package wrote it. */
  | 'future'
  /** It was built for something else than what is here: another library, GPU, graph or other options. */
  | 'stale'
  /** It answers wrongly, as its self-test found. */
  | 'wrong'
  /** It is code that was not asked for: an engine under another name, or one with code for the host. */
  | 'unasked'

/** The error for an engine file; `problem` is a sentence that begins with a verb, without the path. */
export function engineError(
  path: string,
  fault: EngineFault,
  problem: string,
  cause?: unknown,
): EfficientDetError {
  return new EfficientDetError('ERR_ENGINE', `${path} ${problem}`, { cause, details: { path, fault } })
}

/** The fault of an engine file that an error tells of, or null for any other error. */
export function engineFault(error: unknown): EngineFault | null {
  if (!(error instanceof EfficientDetError) || error.code !== 'ERR_ENGINE') return null
  return (error.details.fault as EngineFault | undefined) ?? null
}
