export type { AnalyticsOptions, Anchor, LineOptions, Point, ZoneOptions } from '../options/analytics.js'
export { Analytics } from './analytics.js'
export type {
  Counts,
  Crossing,
  LineCount,
  ObjectEvent,
  ObjectState,
  Observable,
  Visit,
  ZoneCount,
} from './events.js'
export type { HeatMap } from './heat-map.js'
export type { Direction } from './line.js'
export type { AnalyticsState } from './state.js'
export { readZones } from './zones-file.js'
