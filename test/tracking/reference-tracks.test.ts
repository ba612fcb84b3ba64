import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Tracker, type TrackerOptions } from '#lib/tracking/index.js'
import { hasShared, shared } from '../helpers/shared.js'

/** Sequences of people with the ids of `trackers` 2.6.1: a folder of real data, which is not part of the repository. */
const SEQUENCES = [
  ...['ETH-Pedcross2', 'ETH-Sunnyday', 'KITTI-13', 'KITTI-17', 'PETS09-S2L1', 'TUD-Campus', 'TUD-Stadtmitte'],
]

interface Row {
  readonly box: readonly [number, number, number, number]
  readonly score: number
  readonly classId: number
  readonly expected: Readonly<Record<'bytetrack' | 'ocsort', number | null>>
}

/** Rows of each frame from 1 on, those without any included. */
function framesOf(sequence: string): Row[][] {
  const lines = readFileSync(shared(`data/tracking/${sequence}.csv`), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
  const frames: Row[][] = []
  for (const line of lines) {
    const [frame, x, y, width, height, score, bytetrack, ocsort] = line.split(',').map(Number)
    while (frames.length < frame) frames.push([])
    const idOf = (id: number) => (id < 0 ? null : id)
    frames[frame - 1].push({
      box: [x, y, x + width, y + height],
      score,
      classId: 0,
      expected: { bytetrack: idOf(bytetrack), ocsort: idOf(ocsort) },
    })
  }
  return frames
}

describe.runIf(hasShared)('ids of the reference', () => {
  for (const algorithm of ['bytetrack', 'ocsort'] as const) {
    it.each(SEQUENCES)(`are those of ${algorithm} in every row of %s`, (sequence) => {
      const frames = framesOf(sequence)
      const options: TrackerOptions = { algorithm, frameRate: 25 }
      const tracker = new Tracker(options)
      const found = frames.map((rows, i) => tracker.update(rows, i / 25).detections.map((it) => it.trackId))
      expect(found).toEqual(frames.map((rows) => rows.map(({ expected }) => expected[algorithm])))
    })

    it(`stay those of ${algorithm} when the state goes through JSON after every frame`, () => {
      const frames = framesOf('TUD-Campus')
      let tracker = new Tracker({ algorithm, frameRate: 25 })
      for (const [i, rows] of frames.entries()) {
        const ids = tracker.update(rows, i / 25).detections.map((it) => it.trackId)
        expect(ids).toEqual(rows.map(({ expected }) => expected[algorithm]))
        tracker = Tracker.restore(JSON.parse(JSON.stringify(tracker.save())))
      }
    })
  }
})
