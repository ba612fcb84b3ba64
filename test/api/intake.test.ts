import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Intake } from '#lib/api/intake.js'

const reason = new Error('enough')

describe('Intake', () => {
  it('lets calls in while their number and bytes allow', () => {
    const intake = new Intake({ calls: 3, bytes: 100 })
    const first = intake.tryEnter(60)!
    expect(intake.tryEnter(60)).toBeNull()
    const second = intake.tryEnter(40)!
    // What was refused for its bytes took no place.
    expect(intake.tryEnter(0)).not.toBeNull()
    expect(intake.tryEnter(0)).toBeNull()
    first.giveBack()
    second.giveBack()
    expect(intake.tryEnter(100)).not.toBeNull()
  })

  it('lets what is larger than all run, alone', async () => {
    const intake = new Intake({ calls: 3, bytes: 100 })
    const small = intake.tryEnter(10)!
    const large = intake.enter(1000, undefined)
    await new Promise(setImmediate)
    expect(intake.tryEnter(10)).toBeNull()
    small.giveBack()
    const ticket = await large
    expect(intake.tryEnter(1)).toBeNull()
    ticket.giveBack()
    expect(intake.tryEnter(100)).not.toBeNull()
  })

  it('takes bytes later, when they are known, and has others wait before they begin', async () => {
    const intake = new Intake({ calls: 3, bytes: 100 })
    const [first, second] = [intake.tryEnter(0)!, intake.tryEnter(0)!]
    await first.reserve(80, undefined)
    const happened: string[] = []
    const reserved = second.reserve(80, undefined).then(() => happened.push('reserved'))
    const third = intake.enter(0, undefined).then((ticket) => {
      happened.push('entered')
      return ticket
    })
    await new Promise(setImmediate)
    expect(happened).toEqual([])
    first.giveBack()
    await reserved
    await third
    expect(happened).toEqual(['reserved', 'entered'])
  })

  it('keeps nothing of a wait whose signal aborts, be it for a place or for bytes', async () => {
    const intake = new Intake({ calls: 2, bytes: 100 })
    const { signal, controller } = abortable()
    const first = intake.tryEnter(100)!
    const forBytes = intake.enter(1, signal)
    await new Promise(setImmediate)
    const forPlace = intake.enter(1, signal)
    controller.abort(reason)
    await expect(forBytes).rejects.toBe(reason)
    await expect(forPlace).rejects.toBe(reason)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    first.giveBack()
    const second = intake.tryEnter(0)!
    await expect(second.reserve(1, signal)).rejects.toBe(reason)
    second.giveBack()
    expect([intake.tryEnter(50), intake.tryEnter(50)]).not.toContain(null)
  })
})

function abortable() {
  const controller = new AbortController()
  return { controller, signal: controller.signal }
}
