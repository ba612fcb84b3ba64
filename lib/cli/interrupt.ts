/** What a shell expects of a program that SIGINT ended. */
const INTERRUPTED = 130

/**
 * Runs work that Ctrl-C and SIGTERM cancel, so that it leaves nothing half done. A second one ends the process at once,
 * as ever.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => controller.abort(new Interrupted())
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** The work was cancelled by who had asked for it. */
export class Interrupted extends Error {
  readonly exitCode = INTERRUPTED
}
