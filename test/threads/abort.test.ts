import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { onAbort, untilAborted } from '#lib/threads/abort.js'

describe('onAbort', () => {
  it('calls everyone back who has not left, through one listener', () => {
    const controller = new AbortController()
    const { signal } = controller
    const called: number[] = []
    const leave = Array.from({ length: 50 }, (_, i) => onAbort(signal, () => called.push(i)))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    for (const stop of leave.slice(3)) stop()
    controller.abort()
    expect(called).toEqual([0, 1, 2])
  })

  it('leaves the signal as it was, again and again', () => {
    const controller = new AbortController()
    const { signal } = controller
    let calls = 0
    for (let i = 0; i < 3; i++) {
      const stop = onAbort(signal, () => calls++)
      expect(getEventListeners(signal, 'abort')).toHaveLength(1)
      stop()
      stop()
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    }
    controller.abort()
    expect(calls).toBe(0)
  })

  it('lets callbacks leave while they are called', () => {
    const controller = new AbortController()
    const called: number[] = []
    for (const i of [1, 2, 3]) {
      const stop = onAbort(controller.signal, () => {
        stop()
        called.push(i)
      })
    }
    controller.abort()
    expect(called).toEqual([1, 2, 3])
  })

  it('does nothing without a signal', () => {
    expect(() => onAbort(undefined, () => {})()).not.toThrow()
  })
})

describe('untilAborted', () => {
  const failure = new Error('as told')

  it('comes to what its promise comes to, with signals or without', async () => {
    const { signal } = new AbortController()
    for (const signals of [[], [undefined], [signal, signal]]) {
      expect(await untilAborted(Promise.resolve(7), ...signals)).toBe(7)
      await expect(untilAborted(Promise.reject(failure), ...signals)).rejects.toBe(failure)
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('ends with the reason of whichever signal aborts first, and hears of nothing else', async () => {
    const [one, other] = [new AbortController(), new AbortController()]
    const waiting = untilAborted(new Promise(() => {}), one.signal, other.signal)
    other.abort(failure)
    await expect(waiting).rejects.toBe(failure)
    expect(getEventListeners(one.signal, 'abort')).toHaveLength(0)
    // The promise's own rejection is nobody's business any more.
    await expect(untilAborted(Promise.reject(new Error('late')), other.signal)).rejects.toBe(failure)
  })
})
