export type { TrackerName, TrackerOptions } from '../options/tracker.js'
export type { TrackerState } from './state.js'
export { type Trackable, type Tracked, type TrackedFrame, Tracker } from './tracker.js'
