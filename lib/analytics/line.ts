import type { Point } from '../options/analytics.js'
import { cross, meets } from './geometry.js'
import { complete, type Settling, settle } from './settling.js'

/** The way of one object, seen from one line. */
export interface LineTrace extends Settling {
  /** Whether it has met the line an odd number of times since it was last on a side for certain. */
  met: boolean
}

export type Direction = 'in' | 'out'

export function lineTrace(): LineTrace {
  return { side: 0, pending: 0, since: 0, met: false }
}

/**
 * Follows an object by one observation.
 *
 * @param from where it was before; null in the beginning
 * @param margin pixels on either side of the line that tell nothing
 * @returns the direction in which it has crossed, or null; `trace.since` tells when
 */
export function follow(
  trace: LineTrace,
  line: readonly [Point, Point],
  from: Point | null,
  to: Point,
  margin: number,
  time: number,
  hysteresis: number,
): Direction | null {
  if (from !== null && meets(from, to, line)) trace.met = !trace.met
  const [begin, end] = line
  const area = cross(begin, end, to)
  const length = Math.hypot(end[0] - begin[0], end[1] - begin[1])
  const side = Math.abs(area) <= margin * length ? 0 : Math.sign(area)
  const changed = settle(trace, side, time, hysteresis)
  const direction = changed ? crossing(trace) : null
  if (side !== 0 && side === trace.side) trace.met = false
  return direction
}

/** What is pending when a track ends. */
export function finish(trace: LineTrace): Direction | null {
  return complete(trace) ? crossing(trace) : null
}

/** Who went around the line's end has not crossed it. */
function crossing({ side, met }: LineTrace): Direction | null {
  if (!met) return null
  return side > 0 ? 'in' : 'out'
}
