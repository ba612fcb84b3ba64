import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Tracker } from '#lib/tracking/index.js'

interface Sequence {
  readonly name: string
  /** Seconds. */
  readonly lostTime: number
  readonly frames: readonly { readonly time: number | null; readonly rows: readonly (readonly number[])[] }[]
}

/** Seeded walkers with the ids of `trackers` 2.6.1. */
const SEQUENCES: readonly Sequence[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'tracking', 'sequences.json'), 'utf8'),
)

describe('ids of the reference', () => {
  for (const [column, algorithm] of [
    [5, 'bytetrack'],
    [6, 'ocsort'],
  ] as const) {
    it.each(SEQUENCES)(`are those of ${algorithm} in every row of $name`, ({ lostTime, frames }) => {
      const tracker = new Tracker({ algorithm, frameRate: 25, lostTime })
      const found = frames.map(({ time, rows }, i) => {
        const detections = rows.map(([x1, y1, x2, y2, score]) => {
          return { box: [x1, y1, x2, y2] as const, score, classId: 0 }
        })
        return tracker.update(detections, time ?? i / 25).detections.map(({ trackId }) => trackId ?? -1)
      })
      expect(found).toEqual(frames.map(({ rows }) => rows.map((row) => row[column])))
      expect(Math.max(...found.flat())).toBeGreaterThan(6)
    })
  }
})
