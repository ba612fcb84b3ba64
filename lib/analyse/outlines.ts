import type { Counts } from '../analytics/events.js'
import type { Scene } from '../annotate/artist.js'
import type { AnalyticsOptions, Point } from '../options/analytics.js'

/** Lines and zones as they are drawn, with their counts. */
export function outlinesOf(
  { lines = [], zones = [], size }: AnalyticsOptions,
  counts: Counts | null,
  frame: { readonly width: number; readonly height: number },
): NonNullable<Scene['outlines']> {
  const [x, y] = size === undefined ? [1, 1] : [frame.width / size.width, frame.height / size.height]
  const scaled = (point: Point): Point => [point[0] * x, point[1] * y]
  return [
    ...zones.map(({ name, points }) => ({
      points: points.map(scaled),
      text: `${name}: ${counts?.zones[name]?.count ?? 0}`,
    })),
    ...lines.map(({ name, from, to }) => ({
      points: [scaled(from), scaled(to)],
      text: `${name}: ${counts?.lines[name]?.in ?? 0} in, ${counts?.lines[name]?.out ?? 0} out`,
    })),
  ]
}
