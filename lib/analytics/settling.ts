/** The side on which an object is: −1 or 1; 0 where that is not known. It takes a while on the other side to change. */
export interface Settling {
  side: number
  /** The other side, while the object is there; else 0. */
  pending: number
  /** Since when, in seconds. */
  since: number
}

/**
 * Takes an observation in.
 *
 * @param side 0 where the object is so near to the border that noise could put it on either
 * @param hysteresis seconds
 * @returns whether the side has changed; `since` tells when
 */
export function settle(settling: Settling, side: number, time: number, hysteresis: number): boolean {
  if (side === 0) return false
  if (side === settling.side) {
    settling.pending = 0
    return false
  }
  if (settling.side === 0) {
    settling.side = side
    return false
  }
  if (settling.pending !== side) {
    settling.pending = side
    settling.since = time
  }
  return time - settling.since >= hysteresis && complete(settling)
}

/** Settles what is pending, as when a track ends: who was last seen on the other side went there. */
export function complete(settling: Settling): boolean {
  if (settling.pending === 0) return false
  settling.side = settling.pending
  settling.pending = 0
  return true
}

/** Part of a box's size by which detections tremble. */
const TREMBLE = 0.05

/** Pixels on either side of a border within which a box of that size may be on either. */
export function tremble([x1, y1, x2, y2]: readonly [number, number, number, number]): number {
  return TREMBLE * Math.sqrt((x2 - x1) * (y2 - y1))
}
