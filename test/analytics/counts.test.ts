import { describe, expect, it } from 'vitest'
import { Analytics } from '#lib/analytics/index.js'
import { Tracker } from '#lib/tracking/index.js'
import { random } from '../helpers/random.js'
import { FRAME, person, Scene, walk } from './scenes.js'

/** Crossed downwards is `in`. */
const GATE = { name: 'gate', from: [200, 300], to: [800, 300] } as const
const YARD = {
  name: 'yard',
  points: [
    [300, 200],
    [700, 200],
    [700, 400],
    [300, 400],
  ],
} as const

const gate = (scene: Scene) => scene.analytics.counts.lines.gate
const yard = (scene: Scene) => scene.analytics.counts.zones.yard

describe('a line', () => {
  it('counts who crosses it, in either direction, by class', () => {
    const scene = new Scene({ lines: [GATE] })
    scene.walks({ 0: walk([400, 100], [420, 500], 50), 1: walk([600, 500], [600, 100], 60) })
    for (const point of walk([500, 100], [500, 500], 50)) scene.frame([person(2, point, 'dog')])
    expect(gate(scene)).toEqual({
      in: 2,
      out: 1,
      classes: { person: { in: 1, out: 1 }, dog: { in: 1, out: 0 } },
    })
  })

  it('tells when it was crossed, not when that was certain', () => {
    const scene = new Scene({ lines: [GATE], hysteresis: 0.5 })
    scene.walks({ 0: walk([400, 100], [400, 500], 100) })
    const [{ time, crossings }] = scene.events.filter((event) => event.crossings.length > 0)
    expect(crossings).toEqual([{ line: 'gate', direction: 'in', time: expect.closeTo(2, 0) }])
    expect(time - crossings[0].time).toBeCloseTo(0.5, 1)
  })

  it('counts nobody who goes around its end', () => {
    const scene = new Scene({ lines: [GATE] })
    scene.walks({ 0: walk([100, 100], [100, 500], 50) })
    scene.walks({ 0: walk([100, 500], [900, 100], 50) })
    // That way leads through it.
    expect(gate(scene)).toMatchObject({ in: 0, out: 1 })
    scene.walks({ 0: walk([900, 100], [900, 500], 50) })
    scene.walks({ 0: walk([900, 500], [100, 500], 50) })
    expect(gate(scene)).toMatchObject({ in: 0, out: 1 })
  })

  it.each([1, 2, 3, 4, 5])('counts nobody who stands on it and trembles, seed %i', (seed) => {
    const { float } = random(seed)
    const scene = new Scene({ lines: [GATE] })
    scene.walks({ 0: walk([400, 200], [400, 300], 30) })
    for (let i = 0; i < 2000; i++) scene.frame([person(0, [400 + 4 * float(), 298.5 + 3 * float()])])
    expect(gate(scene)).toMatchObject({ in: 0, out: 0 })
    scene.walks({ 0: walk([400, 300], [400, 200], 30) })
    expect(gate(scene)).toMatchObject({ in: 0, out: 0 })
    for (let i = 0; i < 2000; i++) scene.frame([person(0, [400 + 4 * float(), 298.5 + 3 * float()])])
    scene.walks({ 0: walk([400, 300], [400, 400], 30) })
    expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
  })

  it('counts nobody who comes exactly to it and turns back', () => {
    const scene = new Scene({ lines: [GATE] })
    scene.walks({ 0: walk([400, 200], [400, 300], 25) })
    scene.walks({ 0: walk([400, 300], [400, 200], 25) })
    scene.walks({ 1: walk([600, 400], [600, 300], 25) })
    scene.walks({ 1: walk([600, 300], [600, 400], 25) })
    scene.end()
    expect(gate(scene)).toMatchObject({ in: 0, out: 0 })
  })

  it.each([1, 2, 3])('counts once who flickers in and out of sight while crossing, seed %i', (seed) => {
    const { float } = random(seed)
    const scene = new Scene({ lines: [GATE] })
    for (const point of walk([400, 100], [400, 500], 100))
      scene.frame(float() < 0.5 ? [person(0, point)] : [])
    expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
  })

  it('counts once who is hidden while crossing and has the same id after', () => {
    const scene = new Scene({ lines: [GATE] })
    const way = [...walk([400, 100], [400, 500], 60)]
    scene.walks({ 0: way.slice(0, 20) })
    scene.pause(20)
    scene.walks({ 0: way.slice(40) })
    expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
  })

  it('counts once whose id changes before or behind it', () => {
    for (const at of [10, 50]) {
      const scene = new Scene({ lines: [GATE] })
      const way = [...walk([400, 100], [400, 500], 60)]
      scene.walks({ 0: way.slice(0, at) })
      scene.walks({ 1: way.slice(at) })
      scene.end()
      expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
    }
  })

  it('counts who is gone right after, but not who is gone right before', () => {
    const scene = new Scene({ lines: [GATE] })
    scene.walks({ 0: walk([400, 250], [400, 310], 12), 1: walk([600, 230], [600, 290], 12) })
    scene.end()
    expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
  })

  it('counts in slow streams who is on the other side in the next frame', () => {
    const scene = new Scene({ lines: [GATE] }, 2)
    scene.walks({ 0: walk([400, 100], [400, 500], 4), 1: walk([600, 500], [600, 100], 4) })
    scene.end()
    expect(gate(scene)).toMatchObject({ in: 1, out: 1 })
  })

  it('of several is counted alone, if it alone is crossed', () => {
    const lines = [0, 1, 2, 3].map((i) => ({
      name: `line ${i}`,
      from: [200, 150 + 100 * i] as const,
      to: [800, 150 + 100 * i] as const,
    }))
    const beside = { name: 'beside', from: [820, 250], to: [990, 250] } as const
    const scene = new Scene({ lines: [...lines, beside] })
    scene.walks({ 0: walk([400, 200], [400, 300], 40) })
    const { counts } = scene.analytics
    expect(Object.values(counts.lines).map((it) => it.in)).toEqual([0, 1, 0, 0, 0])
  })

  it('of some classes counts no others', () => {
    const scene = new Scene({ lines: [{ ...GATE, classes: ['dog'] }] })
    for (const point of walk([500, 100], [500, 500], 50)) {
      scene.frame([person(0, point), person(1, [point[0] + 100, point[1]], 'dog')])
    }
    expect(gate(scene)).toEqual({ in: 1, out: 0, classes: { dog: { in: 1, out: 0 } } })
  })

  it('counts an object as what it was taken for most', () => {
    const { float } = random(1)
    const scene = new Scene({ lines: [GATE] })
    for (const point of walk([500, 100], [500, 500], 50)) {
      scene.frame([person(0, point, float() < 0.3 ? 'dog' : 'person')])
    }
    expect(gate(scene)).toEqual({ in: 1, out: 0, classes: { person: { in: 1, out: 0 } } })
  })
})

describe('a zone', () => {
  it('counts who is in it, who entered, who left, and for how long', () => {
    const scene = new Scene({ zones: [YARD] })
    scene.walks({ 0: walk([500, 100], [500, 300], 50) })
    expect(yard(scene)).toMatchObject({ count: 1, entered: 1, left: 0, totalDwell: 0 })
    for (let i = 0; i < 250; i++) scene.frame([person(0, [500, 300])])
    scene.walks({ 0: walk([500, 300], [500, 500], 50) })
    expect(yard(scene)).toMatchObject({ count: 0, entered: 1, left: 1 })
    // Ten seconds, and one on the way in and out each.
    expect(yard(scene).totalDwell).toBeGreaterThan(11.8)
    expect(yard(scene).totalDwell).toBeLessThan(12.3)
    expect(yard(scene).longestDwell).toBe(yard(scene).totalDwell)
  })

  it('counts who appears in it, and no longer who is gone', () => {
    const scene = new Scene({ zones: [YARD] })
    for (let i = 0; i < 50; i++) scene.frame([person(0, [500, 300])])
    expect(yard(scene)).toMatchObject({ count: 1, entered: 1, left: 0 })
    scene.pause(20)
    expect(yard(scene)).toMatchObject({ count: 1 })
    scene.end()
    expect(yard(scene)).toMatchObject({ count: 0, entered: 1, left: 1 })
    expect(yard(scene).totalDwell).toBeCloseTo(49 / 25)
  })

  it.each([1, 2, 3])('counts once who trembles at its border, seed %i', (seed) => {
    const { float } = random(seed)
    const scene = new Scene({ zones: [YARD] })
    scene.walks({ 0: walk([500, 100], [500, 200], 30) })
    for (let i = 0; i < 1000; i++) scene.frame([person(0, [500 + 4 * float(), 198.5 + 3 * float()])])
    expect(yard(scene)).toMatchObject({ count: 0, entered: 0, left: 0 })
    scene.walks({ 0: walk([500, 200], [500, 300], 30) })
    scene.walks({ 0: walk([500, 300], [500, 200], 30) })
    for (let i = 0; i < 1000; i++) scene.frame([person(0, [500 + 4 * float(), 198.5 + 3 * float()])])
    expect(yard(scene)).toMatchObject({ count: 1, entered: 1, left: 0 })
  })

  it('at the border of the frame has who stands there', () => {
    const floor = {
      name: 'yard',
      points: [
        [0, 300],
        [1000, 300],
        [1000, 600],
        [0, 600],
      ] as const,
    }
    const scene = new Scene({ zones: [floor] })
    for (let i = 0; i < 50; i++)
      scene.frame([person(0, [500, 600]), person(1, [980, 600]), person(2, [20, 600])])
    expect(yard(scene)).toMatchObject({ count: 3, entered: 3 })
  })

  it('that is narrower than objects has them all the same', () => {
    const lane = {
      name: 'yard',
      points: [
        [0, 300],
        [1000, 300],
        [1000, 312],
        [0, 312],
      ] as const,
    }
    const scene = new Scene({ zones: [lane] })
    for (const point of walk([100, 306], [900, 306], 100)) {
      scene.frame([{ ...person(0, point), box: [point[0] - 200, 6, point[0] + 200, 306] }])
    }
    expect(yard(scene)).toMatchObject({ count: 1, entered: 1, left: 0 })
  })

  it('keeps who is taken for something else meanwhile', () => {
    const scene = new Scene({ zones: [{ ...YARD, classes: ['person'] }] })
    for (let i = 0; i < 30; i++) scene.frame([person(0, [500, 300])])
    for (let i = 0; i < 60; i++) scene.frame([person(0, [500, 300], 'dog')])
    scene.walks({ 0: walk([500, 300], [500, 500], 50) })
    expect(yard(scene)).toMatchObject({
      count: 0,
      entered: 1,
      left: 1,
      classes: { person: { count: 0, entered: 1, left: 1 } },
    })
  })
})

describe('journeys', () => {
  const square = (name: string, x: number, y: number) => ({
    name,
    points: [
      [x, y],
      [x + 200, y],
      [x + 200, y + 200],
      [x, y + 200],
    ] as const,
  })
  const zones = [square('west', 0, 200), square('middle', 400, 200), square('east', 800, 200)]

  it('lead from the zone entered first to the one entered last', () => {
    const scene = new Scene({ zones })
    scene.walks({
      0: walk([100, 300], [900, 300], 200),
      1: walk([900, 320], [100, 320], 200),
      2: walk([100, 340], [500, 340], 200),
    })
    expect(scene.analytics.counts.journeys).toEqual({})
    scene.end()
    expect(scene.analytics.counts.journeys).toEqual({ west: { middle: 1, east: 1 }, east: { west: 1 } })
  })

  it('are none of who was in one zone alone', () => {
    const scene = new Scene({ zones })
    scene.walks({ 0: walk([100, 300], [300, 300], 100) })
    scene.end()
    expect(scene.analytics.counts.journeys).toEqual({})
  })
})

describe('points', () => {
  it('are scaled from the picture in which they were taken', () => {
    const halved = { ...GATE, from: [0.2, 0.5], to: [0.8, 0.5] } as const
    const scene = new Scene({ lines: [halved], size: { width: 1, height: 1 } })
    scene.walks({ 0: walk([400, 200], [400, 400], 50) })
    expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
  })

  it.each([
    ['bottom', 300],
    ['centre', 340],
    ['top', 380],
  ] as const)('are compared with the %s of a box', (anchor, y) => {
    const scene = new Scene({ lines: [GATE], anchor })
    scene.walks({ 0: walk([400, y - 20], [400, y + 20], 50) })
    scene.end()
    expect(gate(scene)).toMatchObject({ in: 1, out: 0 })
  })
})

describe('a heat map', () => {
  it('has the seconds that objects were in each cell', () => {
    const scene = new Scene({ heatMap: { columns: 10, rows: 6 } })
    for (let i = 0; i <= 50; i++) scene.frame([person(0, [450, 350]), person(1, [450, 350])])
    scene.walks({ 0: walk([450, 350], [850, 350], 100) })
    const { columns, rows, seconds } = scene.analytics.heatMap!
    expect([columns, rows, seconds.length]).toEqual([10, 6, 60])
    expect(seconds[3 * 10 + 4]).toBeCloseTo(2 * 2 + 0.5, 1)
    expect(seconds.reduce((sum, it) => sum + it)).toBeCloseTo(8)
  })
})

describe('unconfirmed tracks', () => {
  it('count nowhere, from the detector to the counts', () => {
    const analytics = new Analytics({ lines: [GATE], zones: [YARD] }, FRAME)
    const tracker = new Tracker({ frameRate: 25 })
    const way = [...walk([400, 100], [420, 500], 100)]
    let news = 0
    for (const [i, point] of way.entries()) {
      // What the detector invents is never twice in one place.
      const noise = Array.from({ length: 20 }, (_, j) => {
        const cell = 20 * i + j
        return { ...person(null, point), box: boxAt(7 * (cell % 140), 40 * Math.floor(cell / 140), 6) }
      })
      const { trackId: _, ...real } = person(null, point)
      const events = analytics.update(tracker.update([...noise, real], i / 25))
      news += events.filter(({ type }) => type === 'new').length
    }
    expect(news).toBe(1)
    expect(analytics.counts.lines.gate).toMatchObject({ in: 1, out: 0 })
    expect(analytics.counts.zones.yard).toMatchObject({ entered: 1, left: 1 })
  })
})

function boxAt(x: number, y: number, side: number): [number, number, number, number] {
  return [x, y, x + side, y + side]
}
