import type { Point } from '../options/analytics.js'
import type { ObjectState, Observable } from './events.js'
import type { Corners } from './geometry.js'
import { type LineTrace, lineTrace } from './line.js'
import type { Settling } from './settling.js'

/** One object, seen from one zone. */
export interface Stay extends Settling {
  /** For what it was taken when it entered; null while it is outside. */
  label: string | null
  /** Since when it is inside, in seconds. */
  from: number
}

/** What is kept of an object while its track lasts. Plain data. */
export interface ObjectRecord {
  readonly trackId: number
  label: string
  classId: number
  /** All that it was taken for, with the sums of scores. */
  readonly classes: { readonly label: string; readonly classId: number; weight: number }[]
  score: number
  box: Corners
  /** Where it was last seen; null in the beginning. */
  last: Point | null
  readonly startTime: number
  lastTime: number
  /** How it moved, seen from each line and each zone. */
  readonly lines: LineTrace[]
  readonly zones: Stay[]
  /** Places of zones, in the order in which they were first entered, and the one entered last. */
  readonly entered: number[]
  destination: number
  /** How often any zone was entered. */
  entries: number
  /** As the latest event told; null before the first. */
  told: ObjectState | null
}

export function newRecord(
  { label, classId, score, box }: Observable,
  trackId: number,
  time: number,
  lines: number,
  zones: number,
): ObjectRecord {
  return {
    ...{ trackId, label, classId, score, box, classes: [], last: null, startTime: time, lastTime: time },
    lines: Array.from({ length: lines }, lineTrace),
    zones: Array.from({ length: zones }, () => ({ side: -1, pending: 0, since: 0, label: null, from: 0 })),
    ...{ entered: [], destination: 0, entries: 0, told: null },
  }
}

/** Takes an object for the class with the most of all scores. */
export function recognise(record: ObjectRecord, { label, classId, score }: Observable): void {
  let taken = record.classes.find((it) => it.label === label)
  if (taken === undefined) {
    taken = { label, classId, weight: 0 }
    record.classes.push(taken)
  }
  taken.weight += score
  const current = record.classes.find((it) => it.label === record.label)
  if (current !== undefined && current.weight >= taken.weight) return
  record.label = label
  record.classId = classId
}
