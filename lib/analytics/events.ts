import type { Trackable } from '../tracking/tracker.js'
import type { Corners } from './geometry.js'
import type { Direction } from './line.js'

/** A detection of which objects are made; `detect` gives such. */
export interface Observable extends Trackable {
  readonly label: string
}

/** What is known of an object. */
export interface ObjectState {
  readonly trackId: number
  /** The class that it was taken for most, by the sum of scores. */
  readonly label: string
  readonly classId: number
  /** The best so far; 0…1. */
  readonly score: number
  /** The latest; pixels. */
  readonly box: Corners
  /** In which zones it is now, and since when (seconds). */
  readonly zones: readonly { readonly zone: string; readonly since: number }[]
  /** Names of all zones that it has been in, in the order of entering. */
  readonly enteredZones: readonly string[]
  /** Seconds of the stream's clock. */
  readonly startTime: number
  /** When it was last seen; null while its track lasts. */
  readonly endTime: number | null
}

export interface Crossing {
  readonly line: string
  readonly direction: Direction
  /** Seconds of the stream's clock. */
  readonly time: number
}

export interface Visit {
  readonly zone: string
  /** Seconds of the stream's clock; their difference is the dwell time. */
  readonly from: number
  readonly to: number
}

/**
 * What has become of an object. There is one `new`, then an `update` whenever its class, its zones or its crossings
 * change, and in the end one `end`.
 */
export interface ObjectEvent {
  readonly type: 'new' | 'update' | 'end'
  /** Seconds of the stream's clock. */
  readonly time: number
  /** As the event before told; null in `new`. */
  readonly before: ObjectState | null
  readonly after: ObjectState
  readonly crossings: readonly Crossing[]
  readonly entered: readonly string[]
  readonly left: readonly Visit[]
}

/** How often a line was crossed. */
export interface LineCount {
  readonly in: number
  readonly out: number
  /** The same by label. */
  readonly classes: Readonly<Record<string, { readonly in: number; readonly out: number }>>
}

/** `count` objects are in a zone now: those that `entered`, by appearing in it too, less those that `left` or ended. */
export interface ZoneCount {
  readonly count: number
  readonly entered: number
  readonly left: number
  /** Seconds of all stays that are over, and of the longest. */
  readonly totalDwell: number
  readonly longestDwell: number
  /** Counts by label. */
  readonly classes: Readonly<
    Record<string, { readonly count: number; readonly entered: number; readonly left: number }>
  >
}

/** Counts since the beginning. */
export interface Counts {
  readonly lines: Readonly<Record<string, LineCount>>
  readonly zones: Readonly<Record<string, ZoneCount>>
  /** Ended tracks by the zone that they entered first and the one that they entered last, of two entries or more. */
  readonly journeys: Readonly<Record<string, Readonly<Record<string, number>>>>
}
