import { getEventListeners, once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { inOrder, leavable } from '#lib/api/in-order.js'
import { withResolvers } from '#lib/threads/with-resolvers.js'

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

interface Options<Item, Result> {
  readonly maxRunning?: number
  readonly maxAhead?: number
  readonly signal?: AbortSignal
  readonly closing?: AbortSignal
  readonly leaving?: AbortSignal
  readonly call?: (item: Item, signal: AbortSignal, onStart: () => void) => Promise<Result>
}

/** Four calls at most, each of which comes to its item. */
function run<Item, Result = Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  {
    maxRunning = 4,
    maxAhead = 4,
    signal,
    closing = new AbortController().signal,
    leaving,
    call = async (item) => item as never,
  }: Options<Item, Result>,
) {
  return inOrder<Item, Result>(items, { maxRunning, maxAhead, signal, closing, leaving, call })
}

/** What was yielded, and the error if it ended in one. */
async function drain<T>(generator: AsyncGenerator<T>): Promise<{ results: T[]; error: unknown }> {
  const results: T[] = []
  try {
    for await (const result of generator) results.push(result)
    return { results, error: null }
  } catch (error) {
    return { results, error }
  }
}

/** A source that does as told when it is asked for more after its items, and when it is left. */
function source<Item>(items: readonly Item[], after: () => Promise<never>, onReturn: () => Promise<never>) {
  const left = [...items]
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => (left.length > 0 ? { value: left.shift()!, done: false } : after()),
      return: onReturn,
    }),
  }
}

const never = () => new Promise<never>(() => {})
const failure = new Error('as told')
const fail = () => Promise.reject(failure)

describe('inOrder', () => {
  it('yields results in the order of the items, however calls end', async () => {
    const calls = [0, 1, 2].map(() => withResolvers<number>())
    const drained = drain(run([0, 1, 2], { call: (i) => calls[i].promise }))
    for (const i of [2, 0, 1]) calls[i].resolve(10 * i)
    expect(await drained).toEqual({ results: [0, 10, 20], error: null })
  })

  it('goes on with other items while the first takes long, where results may wait', async () => {
    const first = withResolvers<number>()
    const begun: number[] = []
    const call = (i: number, _: AbortSignal, onStart: () => void) => {
      begun.push(i)
      onStart()
      if (i === 99) first.resolve(0)
      return i === 0 ? first.promise : Promise.resolve(i)
    }
    const items = Array.from({ length: 100 }, (_, i) => i)
    const { results } = await drain(run(items, { maxRunning: 2, maxAhead: Number.POSITIVE_INFINITY, call }))
    expect(results).toEqual(items)
    expect(begun).toEqual(items)
  })

  it('takes the next item when the one before has its turn', async () => {
    const starts: (() => void)[] = []
    let taken = 0
    function* items() {
      for (;;) yield taken++
    }
    const generator = run(items(), {
      call: (_, __, onStart) => {
        starts.push(onStart)
        return taken === 1 ? Promise.resolve(0) : never()
      },
    })
    await generator.next()
    const second = generator.next()
    await new Promise(setImmediate)
    expect(taken).toBe(2)
    starts[1]()
    await new Promise(setImmediate)
    expect(taken).toBe(3)
    const left = generator.return()
    starts[2]()
    void second
    void left
  })

  it('finishes calls in flight before it throws the error of the source', async () => {
    const call = withResolvers<number>()
    const drained = drain(
      run(source([1, 2], fail, never), {
        call: (i, _, onStart) => {
          onStart()
          return i === 1 ? call.promise : Promise.resolve(i)
        },
      }),
    )
    await new Promise(setImmediate)
    call.resolve(1)
    expect(await drained).toEqual({ results: [1, 2], error: failure })
  })

  it('throws the first error of a call, though the source hangs and so does its end', async () => {
    const hanging = source([1, 2], never, never)
    const call = (i: number) => (i === 2 ? fail() : Promise.resolve(i))
    expect(await drain(run(hanging, { call }))).toEqual({ results: [1], error: failure })
  })

  it('throws the error of a call, not that of the end of its source, of which nobody hears', async () => {
    const { promise, resolve } = withResolvers<unknown>()
    process.once('unhandledRejection', resolve)
    const broken = source([1], never, () => Promise.reject(new Error('at the end')))
    expect((await drain(run(broken, { call: fail }))).error).toBe(failure)
    await new Promise(setImmediate)
    process.off('unhandledRejection', resolve)
    expect(await Promise.race([promise, 'handled'])).toBe('handled')
  })

  it('passes on the error of a source that was left early', async () => {
    const generator = run(source([1, 2, 3, 4, 5, 6], never, fail), { maxRunning: 1, maxAhead: 1 })
    await generator.next()
    await new Promise(setImmediate)
    await expect(generator.return()).rejects.toBe(failure)
  })

  it('makes no call for an item that comes after it was left', async () => {
    const late = withResolvers<IteratorResult<number>>()
    const items = {
      [Symbol.asyncIterator]: () => {
        let count = 0
        return { next: () => (count++ === 0 ? Promise.resolve({ value: 0, done: false }) : late.promise) }
      },
    }
    const called: number[] = []
    const call = async (i: number) => called.push(i)
    for await (const _ of run(items, { call })) break
    late.resolve({ value: 1, done: false })
    await new Promise(setImmediate)
    expect(called).toEqual([0])
  })

  it.each([
    ['the source hangs', source<number>([], never, never), undefined],
    ['a call hangs', [1], never],
    ['the end of the source hangs', source([1, 2, 3, 4, 5, 6], never, never), never],
  ])('throws the reason of its signal at once though %s, and leaves no listener', async (_, items, call) => {
    const controller = new AbortController()
    const { signal } = controller
    const drained = drain(run(items, { signal, ...(call && { call }) }))
    await new Promise(setImmediate)
    controller.abort(failure)
    expect((await drained).error).toBe(failure)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('ends where it is closed while its source is awaited, after the results of what that gave', async () => {
    const controller = new AbortController()
    const call = withResolvers<number>()
    const drained = drain(
      run(source([0], never, never), { closing: controller.signal, call: () => call.promise }),
    )
    controller.abort(failure)
    call.resolve(7)
    expect(await drained).toEqual({ results: [7], error: failure })
  })

  it.each<[string, (generator: AsyncGenerator<number>) => Promise<unknown>]>([
    ['return', (generator) => generator.return(undefined)],
    ['throw', (generator) => generator.throw(failure)],
  ])('can be left by %s while its source is awaited, which hears of it', async (_, leave) => {
    let returned = 0
    const silent = source<number>([], never, () => {
      returned++
      return never()
    })
    const generator = leavable((leaving) => run(silent, { leaving }))
    const next = generator.next()
    const left = leave(generator).catch((error) => error)
    expect(await next).toEqual({ value: undefined, done: true })
    expect([failure, { value: undefined, done: true }]).toContainEqual(await left)
    expect(returned).toBe(1)
  })

  it('hears of the end of a list that was taken in full when it is closed', async () => {
    const controller = new AbortController()
    const call = async (i: number) => {
      if (i === 3) controller.abort(failure)
      return i
    }
    const drained = drain(run([0, 1, 2, 3], { closing: controller.signal, call }))
    expect(await drained).toEqual({ results: [0, 1, 2, 3], error: null })
  })

  it.each([4, Number.POSITIVE_INFINITY])(
    'gives the event loop its turns where everything is there already; ahead at most: %s',
    async (maxAhead) => {
      const controller = new AbortController()
      setImmediate(() => controller.abort(failure))
      function* items() {
        for (let i = 0; i < 1e6; i++) yield i
      }
      expect((await drain(run(items(), { maxAhead, signal: controller.signal }))).error).toBe(failure)
    },
  )

  it('takes an iterable whose async iterator is undefined for one without, as for await does', async () => {
    const items = { [Symbol.asyncIterator]: undefined, [Symbol.iterator]: () => [1, 2].values() }
    expect(await drain(run<number>(items as Iterable<number>, {}))).toEqual({ results: [1, 2], error: null })
  })

  it('cancels calls that are under way when it is left', async () => {
    const signals: AbortSignal[] = []
    const call = (i: number, signal: AbortSignal) => {
      signals.push(signal)
      return i === 0 ? Promise.resolve(0) : once(signal, 'abort').then(fail)
    }
    for await (const _ of run([0, 1, 2], { call })) break
    expect(signals.map(({ aborted }) => aborted)).toEqual(signals.map(() => true))
  })

  it.each([false, true])(
    'keeps nothing of results that were yielded; with a signal: %s',
    async (withSignal) => {
      const signal = withSignal ? new AbortController().signal : undefined
      const refs: WeakRef<object>[] = []
      function* items() {
        for (let i = 0; i < 2000; i++) yield i
      }
      const call = async (i: number) => {
        if (i % 100 === 0) await new Promise(setImmediate)
        const result = { i }
        refs.push(new WeakRef(result))
        return result
      }
      const generator = run(items(), { call, ...(signal && { signal }) })
      for (let i = 0; i < 1900; i++) await generator.next()
      await new Promise(setImmediate)
      gc()
      // The stream is still open.
      const alive = refs.slice(0, 1890).filter((ref) => ref.deref() !== undefined)
      expect(alive.length).toBeLessThan(10)
      await generator.return()
    },
  )
})
