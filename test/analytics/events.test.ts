import { describe, expect, it } from 'vitest'
import { Analytics, type AnalyticsState, type ObjectEvent } from '#lib/analytics/index.js'
import { Tracker } from '#lib/tracking/index.js'
import fc from '../helpers/fast-check.js'
import { random } from '../helpers/random.js'
import { refusal } from '../helpers/refusal.js'
import { FRAME, person, Scene, walk } from './scenes.js'

const OPTIONS = {
  lines: [{ name: 'gate', from: [200, 300], to: [800, 300] }],
  zones: [
    {
      name: 'yard',
      points: [
        [300, 200],
        [700, 200],
        [700, 400],
        [300, 400],
      ],
    },
  ],
  heatMap: { columns: 4, rows: 3 },
} as const

describe('events', () => {
  it('tell what becomes of an object', () => {
    const scene = new Scene(OPTIONS)
    scene.walks({ 7: walk([500, 100], [500, 500], 100) })
    scene.end()
    expect(scene.events.map(({ type }) => type)).toEqual(['new', 'update', 'update', 'update', 'end'])
    const [born, entered, crossed, left, ended] = scene.events
    expect(born).toMatchObject({
      before: null,
      after: { trackId: 7, label: 'person', endTime: null, zones: [] },
    })
    expect(entered).toMatchObject({
      entered: ['yard'],
      after: { zones: [{ zone: 'yard', since: expect.closeTo(1, 0) }], enteredZones: ['yard'] },
    })
    expect(crossed).toMatchObject({ crossings: [{ line: 'gate', direction: 'in' }] })
    expect(left).toMatchObject({
      left: [{ zone: 'yard', from: expect.closeTo(1, 0), to: expect.closeTo(3, 0) }],
      after: { zones: [], enteredZones: ['yard'] },
    })
    expect(ended).toMatchObject({ after: { endTime: 99 / 25, startTime: 0, box: [480, 420, 520, 500] } })
    for (const [i, { before }] of scene.events.entries())
      expect(before).toEqual(scene.events[i - 1]?.after ?? null)
  })

  it('are none where nothing changes', () => {
    const scene = new Scene(OPTIONS)
    for (let i = 0; i < 1000; i++) scene.frame([person(0, [500, 100])])
    expect(scene.events).toHaveLength(1)
  })

  it('tell of another class', () => {
    const scene = new Scene(OPTIONS)
    scene.frame([person(0, [500, 100], 'dog')])
    scene.frame([person(0, [500, 100])])
    scene.frame([person(0, [500, 100])])
    const [, { type, before, after }] = scene.events
    expect([type, before?.label, after.label, after.classId]).toEqual(['update', 'dog', 'person', 0])
  })
})

/** One end for each new, and everything of an object between them. */
function expectPaired(events: readonly ObjectEvent[]): void {
  const open = new Set<number>()
  const seen = new Set<number>()
  for (const { type, after } of events) {
    expect(open.has(after.trackId)).toBe(type !== 'new')
    if (type === 'new') {
      expect(seen.has(after.trackId)).toBe(false)
      seen.add(after.trackId)
      open.add(after.trackId)
    } else if (type === 'end') open.delete(after.trackId)
  }
  expect([...open]).toEqual([])
}

/** Detections of some walkers, of whom now and then one is not seen. */
function noisyFrames(
  seed: number,
): { box: [number, number, number, number]; score: number; classId: number; label: string }[][] {
  const { float, int } = random(seed)
  const walkers = Array.from({ length: 8 }, () => ({
    x: 1000 * float(),
    y: 600 * float(),
    dx: 16 * float() - 8,
    dy: 16 * float() - 8,
  }))
  return Array.from({ length: 300 }, () =>
    walkers.flatMap((walker) => {
      walker.x += walker.dx
      walker.y += walker.dy
      if (int(50) === 0) Object.assign(walker, { x: 1000 * float(), y: 600 * float() })
      const [x, y] = [walker.x + 3 * float(), walker.y + 3 * float()]
      const seen = { box: [x - 20, y - 80, x + 20, y] as [number, number, number, number], label: 'person' }
      return float() < 0.3 ? [] : [{ ...seen, score: 0.3 + 0.7 * float(), classId: 0 }]
    }),
  )
}

describe('of each track', () => {
  for (const algorithm of ['bytetrack', 'ocsort'] as const) {
    it(`of ${algorithm} there is one new and one end, and zones are empty in the end`, () => {
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          const tracker = new Tracker({ algorithm, frameRate: 25 })
          const analytics = new Analytics(OPTIONS, FRAME)
          const events = noisyFrames(seed).flatMap((frame, i) =>
            analytics.update(tracker.update(frame, i / 25)),
          )
          events.push(...analytics.update(tracker.end()))
          expectPaired(events)
          expect(events.length).toBeGreaterThan(8)
          expect(analytics.objects).toEqual([])
          const { count, entered, left } = analytics.counts.zones.yard
          expect([count, entered - left]).toEqual([0, 0])
        }),
      )
    })

    it(`of ${algorithm} it is so when states go through JSON at any frame`, () => {
      const frames = noisyFrames(3)
      const whole = {
        tracker: new Tracker({ algorithm, frameRate: 25 }),
        analytics: new Analytics(OPTIONS, FRAME),
      }
      const parts = {
        tracker: new Tracker({ algorithm, frameRate: 25 }),
        analytics: new Analytics(OPTIONS, FRAME),
      }
      for (const [i, frame] of frames.entries()) {
        const expected = whole.analytics.update(whole.tracker.update(frame, i / 25))
        expect(parts.analytics.update(parts.tracker.update(frame, i / 25))).toEqual(expected)
        parts.tracker = Tracker.restore(JSON.parse(JSON.stringify(parts.tracker.save())))
        parts.analytics = Analytics.restore(JSON.parse(JSON.stringify(parts.analytics.save())))
      }
      expect(parts.analytics.counts).toEqual(whole.analytics.counts)
      expect(parts.analytics.heatMap).toEqual(whole.analytics.heatMap)
      expect(parts.tracker.end()).toEqual(whole.tracker.end())
    })
  }
})

describe('a state', () => {
  const state = (): AnalyticsState => {
    const scene = new Scene(OPTIONS)
    scene.walks({ 0: walk([500, 100], [500, 300], 50) })
    return JSON.parse(JSON.stringify(scene.analytics.save()))
  }

  it.each<[string, unknown]>([
    ['that is none', null],
    ['of another version', { ...state(), version: 2 }],
    ['with other lines than options', { ...state(), options: {} }],
    ['with an unknown key', { ...state(), more: 1 }],
    ['with objects that are none', { ...state(), objects: [1] }],
    ['with a zone that there is not', { ...state(), objects: [{ ...state().objects[0], destination: 5 }] }],
    ['with a heat map of another size', { ...state(), heatMap: [1] }],
  ])('%s is refused', (_, value) => {
    expect(() => Analytics.restore(value as AnalyticsState)).toThrow(
      refusal('ERR_INVALID_OPTION', /the analytics|heatMap/),
    )
  })
})
