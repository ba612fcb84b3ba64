import { EfficientDetError } from '../base/errors.js'
import type { Source } from '../image/source.js'
import { onAbort } from '../threads/abort.js'
import { withResolvers } from '../threads/with-resolvers.js'
import type { DetectionResult } from './result.js'

interface Stream {
  readonly maxInFlight: number
  readonly onError: ((error: EfficientDetError, source: Source) => void) | undefined
  readonly signal: AbortSignal | undefined
  readonly detect: (source: Source, signal: AbortSignal) => Promise<DetectionResult>
}

/** A call under way; its outcome is a value, so that no rejection goes unhandled while it waits its turn. */
interface InFlight {
  readonly source: Source
  readonly outcome: Promise<{ readonly result: DetectionResult } | { readonly error: unknown }>
}

/**
 * Detects with some calls ahead and yields in the order of the sources. A result is yielded as soon as it is
 * there and those before it were, even while the next source is still awaited (a live camera's, say).
 */
export async function* streamInOrder(
  sources: Iterable<Source> | AsyncIterable<Source>,
  { maxInFlight, onError, signal, detect }: Stream,
): AsyncGenerator<DetectionResult, void, undefined> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const aborted = withResolvers<never>()
  aborted.promise.catch(() => {})
  const stopListening = onAbort(signal, () => {
    controller.abort(signal!.reason)
    aborted.reject(signal!.reason)
  })

  const iterator =
    Symbol.asyncIterator in sources ? sources[Symbol.asyncIterator]() : sources[Symbol.iterator]()
  const inFlight: InFlight[] = []
  let pulling: Promise<null> | null = null
  let exhausted = false
  const pull = async (): Promise<null> => {
    const next = await iterator.next()
    pulling = null
    if (next.done) exhausted = true
    else inFlight.push({ source: next.value, outcome: outcomeOf(detect(next.value, controller.signal)) })
    return null
  }

  try {
    for (;;) {
      if (!exhausted && pulling === null && inFlight.length < maxInFlight) pulling = pull()
      const events = [inFlight[0]?.outcome, pulling].filter((event) => event != null)
      if (events.length === 0) return
      const event = await Promise.race([aborted.promise, ...events])
      if (event === null) continue
      const { source } = inFlight.shift()!
      if ('result' in event) yield event.result
      else if (onError !== undefined && isOfOnePicture(event.error)) onError(event.error, source)
      else throw event.error
    }
  } finally {
    stopListening()
    controller.abort()
    // A source that is still awaited might never come, so its iterator's end is not waited for then.
    const returned = exhausted ? undefined : iterator.return?.()
    if (pulling === null) await returned
  }
}

/** Whether an error need not stop work on other pictures. */
export function isOfOnePicture(error: unknown): error is EfficientDetError {
  return error instanceof EfficientDetError && error.code !== 'ERR_DISPOSED'
}

function outcomeOf(call: Promise<DetectionResult>): InFlight['outcome'] {
  return call.then(
    (result) => ({ result }),
    (error) => ({ error }),
  )
}
