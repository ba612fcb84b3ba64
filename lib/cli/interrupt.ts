/** What ends a program early, and the exit code that a shell gives it then: 128 and the signal's number. */
const EXIT_CODES = {
  SIGINT: 130,
  SIGTERM: 143,
  /** Whoever read the output has gone, as `head` does. Node ignores the signal, and writing fails instead. */
  SIGPIPE: 141,
} as const

/**
 * Runs work that Ctrl-C, SIGTERM and the end of whoever reads the output cancel, so that it leaves nothing half done. A
 * second signal of either kind ends the process at once, as ever.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = (signal: keyof typeof EXIT_CODES) => {
    stopListening()
    controller.abort(new Interrupted(signal))
  }
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') interrupt('SIGPIPE')
  }
  const stopListening = () => {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    for (const stream of [process.stdout, process.stderr]) stream.off('error', onError)
  }
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onError)
  try {
    return await work(controller.signal)
  } finally {
    stopListening()
  }
}

/** Lets a program whose reader has gone come to its end, with the exit code for that and nothing else. */
export function outliveReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exitCode = EXIT_CODES.SIGPIPE
    })
  }
}

/** The work was cancelled by who had asked for it. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: keyof typeof EXIT_CODES) {
    super(signal)
    this.exitCode = EXIT_CODES[signal]
  }
}
