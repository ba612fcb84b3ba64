import type { Canvas } from './canvas.js'
import type { Colour } from './colours.js'

export type Point = readonly [x: number, y: number]

/** What is drawn with, in pixels and a colour. */
export interface Pen {
  readonly thickness: number
  readonly colour: Colour
}

/** The outline of a box, within it. */
export function drawBox(
  canvas: Canvas,
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  { thickness, colour }: Pen,
): void {
  const [left, top, right, bottom] = [Math.round(x1), Math.round(y1), Math.round(x2), Math.round(y2)]
  canvas.fill(left, top, right, Math.min(top + thickness, bottom), colour)
  canvas.fill(left, Math.max(bottom - thickness, top), right, bottom, colour)
  canvas.fill(left, top, Math.min(left + thickness, right), bottom, colour)
  canvas.fill(Math.max(right - thickness, left), top, right, bottom, colour)
}

/** A straight line, as far as it lies in the picture. */
export function drawLine(canvas: Canvas, from: Point, to: Point, { thickness, colour }: Pen): void {
  const clipped = clip(from, to, canvas.width, canvas.height)
  if (clipped === null) return
  const [[x1, y1], [x2, y2]] = clipped
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(x2 - x1), Math.abs(y2 - y1))))
  const half = thickness >> 1
  for (let i = 0; i <= steps; i++) {
    const x = Math.round(x1 + ((x2 - x1) * i) / steps) - half
    const y = Math.round(y1 + ((y2 - y1) * i) / steps) - half
    canvas.fill(x, y, x + thickness, y + thickness, colour)
  }
}

/** Straight lines from point to point, and back to the first if it is closed. */
export function drawPath(canvas: Canvas, points: readonly Point[], pen: Pen, closed: boolean): void {
  for (let i = 1; i < points.length; i++) drawLine(canvas, points[i - 1], points[i], pen)
  if (closed && points.length > 2) drawLine(canvas, points[points.length - 1], points[0], pen)
}

/** The part of a line that lies in the picture (Liang and Barsky), so that far points cost nothing. */
function clip([x1, y1]: Point, [x2, y2]: Point, width: number, height: number): [Point, Point] | null {
  let [begin, end] = [0, 1]
  for (const [delta, room] of [
    [x1 - x2, x1],
    [x2 - x1, width - x1],
    [y1 - y2, y1],
    [y2 - y1, height - y1],
  ]) {
    if (delta === 0 && room < 0) return null
    if (delta < 0) begin = Math.max(begin, room / delta)
    if (delta > 0) end = Math.min(end, room / delta)
  }
  if (!(begin <= end)) return null
  const at = (share: number): Point => [x1 + share * (x2 - x1), y1 + share * (y2 - y1)]
  return [at(begin), at(end)]
}
