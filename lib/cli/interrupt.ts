/** What ends a program early, and the exit code that a shell gives it then: 128 and the signal's number. */
const EXIT_CODES = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGTERM: 143,
  /** Whoever read the output has gone, as `head` does. Node ignores the signal, and writing fails instead. */
  SIGPIPE: 141,
} as const

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/**
 * Runs work that Ctrl-C, SIGTERM, a closed terminal and unwritable output cancel, so that nothing is left half done.
 * A second signal ends the process at once.
 *
 * @throws Interrupted; what `work` throws
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = (signal: keyof typeof EXIT_CODES) => {
    stopListening()
    controller.abort(new Interrupted(EXIT_CODES[signal]))
  }
  const onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') interrupt('SIGPIPE')
    else
      controller.abort(
        new Interrupted(1, `error: The output cannot be written (${error.message}). [ERR_OUTPUT]`),
      )
  }
  const stopListening = () => {
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
  for (const signal of SIGNALS) process.on(signal, interrupt)
  // Output may fail once more after the work's end, when it matters no longer.
  for (const stream of OUTPUTS) stream.on('error', onOutputError)
  try {
    const result = await work(controller.signal)
    await Promise.all(OUTPUTS.map(flush))
    controller.signal.throwIfAborted()
    return result
  } finally {
    stopListening()
  }
}

const OUTPUTS = [process.stdout, process.stderr]

/** Settles when all was written, or could not be. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}

/** The work was cancelled by whoever had asked for it. */
export class Interrupted extends Error {
  readonly exitCode: number

  /** @param message for whoever asked; none where they know */
  constructor(exitCode: number, message = '') {
    super(message)
    this.exitCode = exitCode
  }
}
