import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Semaphore } from '#lib/threads/semaphore.js'

describe('Semaphore', () => {
  it('lets as many in as it has permits, and the others in their order', async () => {
    const semaphore = new Semaphore(2)
    const entered: number[] = []
    const callers = [1, 2, 3, 4].map((n) => semaphore.acquire().then(() => entered.push(n)))
    await Promise.all(callers.slice(0, 2))
    expect(entered).toEqual([1, 2])
    semaphore.release()
    await callers[2]
    semaphore.release()
    await callers[3]
    expect(entered).toEqual([1, 2, 3, 4])
  })

  it('tells without waiting that it is full', () => {
    const semaphore = new Semaphore(1)
    expect([semaphore.tryAcquire(), semaphore.tryAcquire()]).toEqual([true, false])
    semaphore.release()
    expect(semaphore.tryAcquire()).toBe(true)
  })

  it('hands a permit on to who waits, so that nobody overtakes', async () => {
    const semaphore = new Semaphore(1)
    await semaphore.acquire()
    const waiting = semaphore.acquire()
    semaphore.release()
    expect(semaphore.tryAcquire()).toBe(false)
    await waiting
    semaphore.release()
    expect(semaphore.tryAcquire()).toBe(true)
  })

  it('forgets a caller whose signal aborts while it waits', async () => {
    const semaphore = new Semaphore(1)
    await semaphore.acquire()
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = semaphore.acquire(1, controller.signal)
    const patient = semaphore.acquire()
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    // The permit goes to the other one, not to the one that has left.
    semaphore.release()
    await patient
    semaphore.release()
    expect(semaphore.tryAcquire()).toBe(true)
  })

  it('does not let in whose signal has aborted already', async () => {
    const semaphore = new Semaphore(1)
    const reason = new Error('enough')
    await expect(semaphore.acquire(1, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(semaphore.tryAcquire()).toBe(true)
  })

  it('leaves no listener behind, and a late abort does nothing', async () => {
    const semaphore = new Semaphore(1)
    const controller = new AbortController()
    await semaphore.acquire(1, controller.signal)
    const waiting = semaphore.acquire(1, controller.signal)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    semaphore.release()
    await waiting
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    controller.abort()
    semaphore.release()
    expect(semaphore.tryAcquire()).toBe(true)
  })

  it('is closed when those inside and those who waited before have gone, and lets nobody in afterwards', async () => {
    const semaphore = new Semaphore(2)
    const happened: string[] = []
    await semaphore.acquire()
    await semaphore.acquire()
    const waiting = semaphore.acquire().then(() => happened.push('entered'))
    const closed = semaphore.close().then(() => happened.push('closed'))
    semaphore.release()
    await waiting
    semaphore.release()
    await sleep(10)
    expect(happened).toEqual(['entered'])
    semaphore.release()
    await closed
    expect(semaphore.tryAcquire()).toBe(false)
  })

  it('serves large wishes in their turn, and wishes for more than all as for all', async () => {
    const semaphore = new Semaphore(10)
    const happened: string[] = []
    await semaphore.acquire(4)
    const all = semaphore.acquire(1000).then(() => happened.push('all'))
    const few = semaphore.acquire(2).then(() => happened.push('few'))
    expect(semaphore.tryAcquire(1)).toBe(false)
    semaphore.release(4)
    await all
    expect(happened).toEqual(['all'])
    semaphore.release(1000)
    await few
    expect(semaphore.tryAcquire(8)).toBe(true)
    expect(semaphore.tryAcquire(1)).toBe(false)
  })

  it('lets those in who waited only for one that gave up', async () => {
    const semaphore = new Semaphore(10)
    await semaphore.acquire(5)
    const controller = new AbortController()
    const large = semaphore.acquire(8, controller.signal)
    const small = semaphore.acquire(3)
    controller.abort()
    await expect(large).rejects.toThrow(/aborted/)
    await small
  })
})
