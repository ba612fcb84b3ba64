import { describe, expect, it } from 'vitest'
import { type Trackable, Tracker, type TrackerOptions, type TrackerState } from '#lib/tracking/index.js'
import { refusal } from '../helpers/refusal.js'

function at(x: number, y = 100, score = 0.9, classId = 0): Trackable {
  return { box: [x, y, x + 40, y + 80], score, classId }
}

/** Ids of a frame. */
function ids(tracker: Tracker, detections: readonly Trackable[], time: number): (number | null)[] {
  return tracker.update(detections, time).detections.map(({ trackId }) => trackId)
}

/** Shows something that stands for some frames, from a time on. @returns the time of the next frame */
function stand(tracker: Tracker, frames: number, from = 0, rate = 25): number {
  for (let i = 0; i < frames; i++) tracker.update([at(100)], from + i / rate)
  return from + frames / rate
}

const ALGORITHMS = ['bytetrack', 'ocsort'] as const

describe.each(ALGORITHMS)('a tracker by %s', (algorithm) => {
  const create = (options: TrackerOptions = {}) => new Tracker({ algorithm, frameRate: 25, ...options })

  it('gives back every detection with all that is on it, in its order', () => {
    const tracker = create()
    const given = [at(500, 100, 0.05), { ...at(100), note: 'mine' }, at(300, 100, 0.5)]
    for (let i = 0; i < 5; i++) tracker.update(given, i / 25)
    const { detections, time, ended } = tracker.update(given, 0.2)
    expect(detections).toEqual(given.map((it, i) => ({ ...it, trackId: i === 1 ? 0 : null })))
    expect([time, ended]).toEqual([0.2, []])
  })

  it('gives no id before enough frames, and none to what is seen once', () => {
    const tracker = create()
    expect(ids(tracker, [at(100)], 0)).toEqual([null])
    for (let i = 1; i < 10; i++) tracker.update([at(100)], i / 25)
    expect(ids(tracker, [at(100), at(400)], 0.4)).toEqual([0, null])
    expect(ids(tracker, [at(100), at(700)], 0.44)).toEqual([0, null])
  })

  it.each([1, 5, 25])(
    'keeps the id of who is hidden for less than the lost time, at %i frames a second',
    (rate) => {
      const tracker = create({ frameRate: rate, lostTime: 4 })
      const time = stand(tracker, 6, 0, rate)
      tracker.update([], time)
      const back = time + 3.5
      stand(tracker, 3, back, rate)
      expect(ids(tracker, [at(100)], back + 3 / rate)).toEqual([0])
    },
  )

  it('ends who is not found for the lost time, by the clock and not by frames', () => {
    const tracker = create({ lostTime: 2 })
    const time = stand(tracker, 10)
    // Nothing of the stream arrives for three seconds.
    const { detections, ended } = tracker.update([at(100)], time + 3)
    expect([detections[0].trackId, ended]).toEqual([null, [0]])
  })

  it('tells once who has ended', () => {
    const tracker = create({ lostTime: 1 })
    const time = stand(tracker, 10)
    const ended = Array.from({ length: 100 }, (_, i) => tracker.update([], time + i / 25).ended)
    expect(ended.flat()).toEqual([0])
    expect(ended.findIndex((it) => it.length > 0) / 25).toBeCloseTo(1, 0)
    expect(tracker.end().ended).toEqual([])
  })

  it('is not harmed by frames that are dropped', () => {
    const tracker = create()
    for (let i = 0; i < 200; i++) {
      // Something that walks; every third frame arrives.
      const [id] = ids(tracker, [at(100 + 9 * i)], (3 * i) / 25)
      if (i > 5) expect(id).toBe(0)
    }
  })

  it('ends all tracks when the clock goes back, and never gives an id twice', () => {
    const tracker = create()
    const time = stand(tracker, 10, 100)
    const { ended } = tracker.update([at(100)], 1)
    expect(ended).toEqual([0])
    stand(tracker, 5, 1.04)
    expect(ids(tracker, [at(100)], 2)).toEqual([1])
    expect(time).toBeGreaterThan(100)
  })

  it('takes two frames of the same time', () => {
    const tracker = create()
    const time = stand(tracker, 10)
    expect(ids(tracker, [at(100)], time)).toEqual([0])
    expect(ids(tracker, [at(101)], time)).toEqual([0])
  })

  it('keeps classes together by default, and apart if asked', () => {
    const seen = (tracker: Tracker) =>
      Array.from({ length: 20 }, (_, i) => ids(tracker, [at(100, 100, 0.9, i > 10 ? 7 : 2)], i / 25)[0])
    expect(new Set(seen(create()).slice(5))).toEqual(new Set([0]))
    const apart = seen(create({ perClass: true }))
    expect([apart[10], apart[19]]).toEqual([0, 1])
    expect(apart[11]).toBe(null)
  })

  it('of classes apart follows two objects in one place', () => {
    const tracker = create({ perClass: true })
    const both = [at(100, 100, 0.9, 1), at(100, 100, 0.9, 2)]
    for (let i = 0; i < 5; i++) tracker.update(both, i / 25)
    expect(ids(tracker, both, 0.2)).toEqual([0, 1])
    expect(ids(tracker, [...both].reverse(), 0.24)).toEqual([1, 0])
  })

  it.each<[string, unknown, unknown]>([
    ['no list', null, 1],
    ['a detection without a box', [{ score: 1, classId: 0 }], 1],
    ['a box that is inside out', [{ box: [5, 0, 4, 1], score: 1, classId: 0 }], 1],
    ['a box of NaN', [{ box: [0, 0, Number.NaN, 1], score: 1, classId: 0 }], 1],
    ['a box beyond all pictures', [{ box: [0, 0, 1e300, 1], score: 1, classId: 0 }], 1],
    ['a score of NaN', [{ box: [0, 0, 1, 1], score: Number.NaN, classId: 0 }], 1],
    ['a score above 1', [{ box: [0, 0, 1, 1], score: 7, classId: 0 }], 1],
    ['a class that is none', [{ box: [0, 0, 1, 1], score: 1, classId: 'x' }], 1],
    ['too many', new Array(2001).fill(at(1)), 1],
    ['no time', [], undefined],
    ['a time of NaN', [], Number.NaN],
    ['an endless time', [], Number.POSITIVE_INFINITY],
  ])('refuses %s and is not changed by it', (_, detections, time) => {
    const tracker = create()
    stand(tracker, 5)
    const before = tracker.save()
    expect(() => tracker.update(detections as Trackable[], time as number)).toThrow(
      refusal('ERR_INVALID_OPTION', /./),
    )
    expect(tracker.save()).toEqual(before)
  })

  it('takes boxes without a size', () => {
    const tracker = create()
    const flat: Trackable[] = [
      { box: [5, 5, 5, 5], score: 0.9, classId: 0 },
      { box: [5, 5, 9, 5], score: 0.9, classId: 0 },
    ]
    for (let i = 0; i < 100; i++)
      expect(ids(tracker, i % 7 === 0 ? [] : flat, i / 25).length).toBe(i % 7 === 0 ? 0 : 2)
  })

  it('follows a bounded number of tracks', () => {
    const tracker = create({ lostTime: 3600, highScore: 0.1, newTrackScore: 0.1, minUpdates: 1 })
    for (let i = 0; i < 12; i++) {
      const row = Array.from({ length: 1000 }, (_, x) => at(50 * x, 1000 * Math.floor(i / 2)))
      tracker.update(row, i / 25)
    }
    const { groups } = tracker.save()
    expect(groups[0].tracks.length).toBe(4000)
  })

  it('refuses a state that is none', () => {
    const tracker = create()
    stand(tracker, 10)
    const state: TrackerState = JSON.parse(JSON.stringify(tracker.save()))
    const [group] = state.groups
    const [track] = group.tracks
    const withTrack = (changed: object) => ({
      ...state,
      groups: [{ ...group, tracks: [{ ...track, ...changed }] }],
    })
    const wrong: unknown[] = [
      null,
      7,
      {},
      { ...state, version: 9 },
      { ...state, options: { algorithm: 'sort' } },
      { ...state, nextId: 'x' },
      { ...state, groups: [{ ...group, tracks: [null] }] },
      withTrack({ lost: null }),
      withTrack({ more: 1 }),
      withTrack({ id: 1e300 }),
      { ...state, options: { ...state.options, algorithm: algorithm === 'ocsort' ? 'bytetrack' : 'ocsort' } },
    ]
    for (const value of wrong) {
      expect(() => Tracker.restore(value as TrackerState)).toThrow(refusal('ERR_INVALID_OPTION', /./))
    }
    expect(ids(Tracker.restore(state), [at(100)], 0.4)).toEqual([0])
  })
})

describe('options of a tracker', () => {
  it.each<[TrackerOptions, RegExp]>([
    [{ algorithm: 'byte' as 'bytetrack' }, /algorithm is "byte"; expected one of 'bytetrack', 'ocsort'/],
    [{ frameRate: 0 }, /frameRate is 0; expected a number from 0\.1 to 1000/],
    [{ lost: 1 } as TrackerOptions, /There is no option "lost"/],
  ])('that are wrong are refused: %o', (options, message) => {
    expect(() => new Tracker(options)).toThrow(refusal('ERR_INVALID_OPTION', message))
  })
})
