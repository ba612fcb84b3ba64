import type { Size } from '../models/levels.js'
import type { Point } from '../options/analytics.js'
import { contains, distanceTo } from './geometry.js'

/** A polygon in the pixels of frames. */
export interface Polygon {
  readonly points: readonly Point[]
  /** Sides that objects can cross, not those at the frame's own border. */
  readonly borders: readonly (readonly [Point, Point])[]
  /** Pixels from a border that may tell nothing, however large the object: the middle of a narrow zone tells. */
  readonly maxMargin: number
}

export function polygonOf(points: readonly Point[], frame: Size): Polygon {
  const sides = points.map((point, i) => [point, points[(i + 1) % points.length]] as const)
  const isOuter = ([a, b]: readonly [Point, Point]) =>
    (a[0] <= 0 && b[0] <= 0) ||
    (a[1] <= 0 && b[1] <= 0) ||
    (a[0] >= frame.width && b[0] >= frame.width) ||
    (a[1] >= frame.height && b[1] >= frame.height)
  const area = Math.abs(sides.reduce((sum, [a, b]) => sum + a[0] * b[1] - b[0] * a[1], 0)) / 2
  const around = sides.reduce((sum, [a, b]) => sum + Math.hypot(b[0] - a[0], b[1] - a[1]), 0)
  return { points, borders: sides.filter((side) => !isOuter(side)), maxMargin: area / around / 2 }
}

/** 1 inside, −1 outside, 0 where the border is so near that the object may be on either side. */
export function sideOf({ points, borders, maxMargin }: Polygon, point: Point, margin: number): number {
  const near = Math.min(margin, maxMargin)
  if (borders.some((border) => distanceTo(border, point) <= near)) return 0
  return contains(points, point) ? 1 : -1
}
