import { setImmediate } from 'node:timers/promises'
import { onAbort, untilAborted } from '../threads/abort.js'
import { Turns } from '../threads/turns.js'
import { isMethod } from './item.js'

interface InOrder<Item, Result> {
  /** Calls at the same time, at most. */
  readonly maxRunning: number
  /** Calls and outcomes that have not been yielded, at most. */
  readonly maxAhead: number
  readonly signal: AbortSignal | undefined
  /** Aborts when there will be no more calls; those that were made are finished, and nothing is waited for. */
  readonly closing: AbortSignal
  /** Aborts when nobody wants more, which ends all at once (see `leavable`). */
  readonly leaving?: AbortSignal | undefined
  /** @param onStart called when the item has its turn; the next is not taken before */
  readonly call: (item: Item, signal: AbortSignal, onStart: () => void) => Promise<Result>
}

/** A call; its outcome is a value, so that no rejection goes unhandled while it waits for those before. */
interface Call<Result> {
  outcome: { readonly result: Result } | { readonly error: unknown } | null
}

/**
 * Makes a call for each item, some ahead, and yields results in order, as soon as they are there, even while a (live)
 * source is awaited.
 *
 * What was taken is finished before an error of the source is thrown. Nothing is kept of an item after its result, as
 * streams may never end.
 *
 * @throws the first call's error; the source's; the signal's reason, at once; that of `closing` where the source is
 *   still awaited
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  { maxRunning, maxAhead, signal, closing, leaving, call }: InOrder<Item, Result>,
): AsyncGenerator<Result, void, undefined> {
  signal?.throwIfAborted()
  const iterator = iteratorOf(items)
  const controller = new AbortController()
  const ahead: Call<Result>[] = []
  let running = 0
  let isFilling = false
  let isPulling = false
  let source: SourceState = OPEN as SourceState
  // One promise for each wait: a promise that lives as long as the stream would remember all that was raced with it.
  let wake = () => {}
  const turns = new Turns()
  const stopListening = onAbort(signal, () => {
    controller.abort(signal!.reason)
    wake()
  })
  const stopWaiting = [closing, leaving].map((other) => onAbort(other, () => wake()))

  const start = (item: Item): Promise<void> =>
    new Promise((onStart) => {
      const entry: Call<Result> = { outcome: null }
      const settle = (outcome: Call<Result>['outcome']) => {
        entry.outcome = outcome
        running--
        onStart()
        wake()
      }
      ahead.push(entry)
      running++
      call(item, controller.signal, onStart).then(
        (result) => settle({ result }),
        (error) => settle({ error }),
      )
    })

  const fill = async (): Promise<void> => {
    if (isFilling) return
    isFilling = true
    while (source === OPEN && !controller.signal.aborted && running < maxRunning && ahead.length < maxAhead) {
      if (turns.due) await turns.give()
      isPulling = true
      const next = await pull(iterator)
      isPulling = false
      if (!('item' in next)) source = next
      else if (!controller.signal.aborted) await start(next.item)
    }
    isFilling = false
    wake()
  }

  let hasFailed = false
  try {
    for (;;) {
      signal?.throwIfAborted()
      if (leaving?.aborted) return
      const outcome = ahead[0]?.outcome
      if (outcome == null) {
        void fill()
        if (source === OPEN && ahead.length === 0 && closing.aborted) {
          // A list's end, say, is known after a turn.
          await setImmediate()
          if (source === OPEN && ahead.length === 0) throw closing.reason
        } else if (source === OPEN || ahead.length > 0) await new Promise<void>((resolve) => (wake = resolve))
        else if ('error' in source) throw source.error
        else return
        continue
      }
      ahead.shift()
      if (turns.due) await turns.give()
      if ('error' in outcome) throw outcome.error
      void fill()
      yield outcome.result
    }
  } catch (error) {
    hasFailed = true
    throw error
  } finally {
    stopListening()
    for (const stop of stopWaiting) stop()
    controller.abort()
    if (source === OPEN) {
      const left = leave(iterator)
      // A source that is awaited might never come, and its end must not hold an error back.
      if (isPulling || hasFailed) left.catch(() => {})
      else await untilAborted(left, signal)
    }
  }
}

/** Whether and how a source has ended. */
type SourceState = typeof OPEN | { readonly done: true } | { readonly error: unknown }
const OPEN = { done: false } as const

function iteratorOf<Item>(items: Iterable<Item> | AsyncIterable<Item>): Iterates<Item> {
  return isMethod(items, Symbol.asyncIterator)
    ? (items as AsyncIterable<Item>)[Symbol.asyncIterator]()
    : (items as Iterable<Item>)[Symbol.iterator]()
}

type Iterates<Item> = Iterator<Item> | AsyncIterator<Item>

async function pull<Item>(
  iterator: Iterates<Item>,
): Promise<{ readonly item: Item } | Exclude<SourceState, typeof OPEN>> {
  try {
    const next = await iterator.next()
    return next.done ? { done: true } : { item: next.value }
  } catch (error) {
    return { error }
  }
}

async function leave(iterator: Iterates<unknown>): Promise<void> {
  await iterator.return?.()
}

/**
 * A generator that can be left while its next value is awaited, as `Readable.from` does when it is destroyed.
 *
 * A plain one would hear of it only after that value, which might never come.
 *
 * @param generate makes it; its signal aborts when it is left
 */
export function leavable<T>(
  generate: (leaving: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController()
  const generator = generate(controller.signal)
  return {
    next: () => generator.next(),
    return(value) {
      controller.abort()
      return generator.return(value)
    },
    throw(error) {
      controller.abort()
      return generator.throw(error)
    },
    [Symbol.asyncIterator]() {
      return this
    },
    async [Symbol.asyncDispose]() {
      await this.return()
    },
  }
}
