import type { Anchor, Point } from '../options/analytics.js'

/** Corners x1, y1, x2, y2 in pixels. */
export type Corners = readonly [x1: number, y1: number, x2: number, y2: number]

export function anchorOf([x1, y1, x2, y2]: Corners, anchor: Anchor): Point {
  return [(x1 + x2) / 2, anchor === 'bottom' ? y2 : anchor === 'top' ? y1 : (y1 + y2) / 2]
}

/** Twice the area of a triangle: positive where, on a screen, `point` is to the right of the way from → to. */
export function cross(from: Point, to: Point, point: Point): number {
  return (to[0] - from[0]) * (point[1] - from[1]) - (to[1] - from[1]) * (point[0] - from[0])
}

/** Whether a way meets a line between its ends; a way that ends on the line meets it once with the next one. */
export function meets(from: Point, to: Point, [begin, end]: readonly [Point, Point]): boolean {
  const a = cross(begin, end, from)
  const b = cross(begin, end, to)
  if (a > 0 === b > 0) return false
  const at = a / (a - b)
  const x = from[0] + at * (to[0] - from[0])
  const y = from[1] + at * (to[1] - from[1])
  const along = (x - begin[0]) * (end[0] - begin[0]) + (y - begin[1]) * (end[1] - begin[1])
  return along >= 0 && along <= squaredDistance(begin, end)
}

function squaredDistance(a: Point, b: Point): number {
  return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
}

/** Pixels from a point to a line between its ends. */
export function distanceTo([begin, end]: readonly [Point, Point], point: Point): number {
  const dx = end[0] - begin[0]
  const dy = end[1] - begin[1]
  const along = ((point[0] - begin[0]) * dx + (point[1] - begin[1]) * dy) / (dx * dx + dy * dy || 1)
  const at = Math.min(1, Math.max(0, along))
  return Math.sqrt(squaredDistance(point, [begin[0] + at * dx, begin[1] + at * dy]))
}

/** Whether a polygon has a point in it; what it has twice, because it crosses itself, is outside. */
export function contains(points: readonly Point[], [x, y]: Point): boolean {
  let inside = false
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i]
    const [xj, yj] = points[j]
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside
  }
  return inside
}
