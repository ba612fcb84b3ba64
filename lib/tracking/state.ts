import { inspect } from '../base/inspect.js'
import { MAX_CLASSES, MAX_TRACKS } from '../base/limits.js'
import { misshapen, numbers, type Shape } from '../base/shape.js'
import { invalidOption } from '../options/checks.js'
import type { TrackerOptions } from '../options/tracker.js'
import type { ByteTrackTrack } from './byte-track.js'
import type { OcSortTrack } from './oc-sort.js'

/** Tracks that compete for the same detections. */
export interface GroupState {
  /** −1 for all classes together. */
  readonly classId: number
  /** Updates so far (OC-SORT). */
  readonly count: number
  readonly tracks: readonly ByteTrackTrack[] | readonly OcSortTrack[]
}

/** A tracker between two frames, as plain data. */
export interface TrackerState {
  readonly version: 1
  readonly options: TrackerOptions
  readonly nextId: number
  /** The latest frame's, in seconds; null before the first. */
  readonly time: number | null
  readonly groups: readonly GroupState[]
}

const COVARIANCE: Shape = { keys: numbers('position', 'cross', 'velocity') }
const FOUR: Shape = { list: 'number', length: 4 }
const COMMON = numbers('id', 'updates', 'missed', 'lost')

const BYTE_TRACK: Shape = { keys: { ...COMMON, box: FOUR, velocity: FOUR, covariance: COVARIANCE } }

const MOTION: Shape = {
  keys: {
    ...numbers('x', 'y', 'area', 'ratio', 'vx', 'vy', 'varea', 'ratioVariance'),
    centre: COVARIANCE,
    size: COVARIANCE,
  },
}

const OC_SORT: Shape = {
  keys: {
    ...COMMON,
    age: 'number',
    motion: MOTION,
    frozen: { orNull: MOTION },
    last: FOUR,
    history: { list: { keys: { age: 'number', box: FOUR } }, most: 10 },
    direction: { orNull: { list: 'number', length: 2 } },
  },
}

function shapeOf(track: Shape): Shape {
  return {
    keys: {
      ...numbers('version', 'nextId'),
      time: { orNull: 'number' },
      groups: {
        list: { keys: { ...numbers('classId', 'count'), tracks: { list: track, most: MAX_TRACKS } } },
        most: MAX_CLASSES,
      },
    },
  }
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkState(state: TrackerState): TrackerState {
  return inspect('the tracker state', () => {
    const wrong = (path: string) =>
      invalidOption(`the tracker state${path}`, state, 'what Tracker.save() gave')
    if (typeof state !== 'object' || state === null) throw wrong('')
    // A copy, which nobody changes meanwhile, and which the tracker may.
    const { options, ...rest }: TrackerState = structuredClone(state)
    const algorithm = options?.algorithm
    const path = misshapen(rest, shapeOf(algorithm === 'ocsort' ? OC_SORT : BYTE_TRACK))
    if (path !== null) throw wrong(path)
    if (rest.version !== 1) throw wrong('.version')
    return { options, ...rest }
  })
}
