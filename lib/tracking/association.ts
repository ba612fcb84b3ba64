import { assign } from './assignment.js'
import type { Boxes } from './overlap.js'

/** What a tracker looks at in one frame: its own choice of the detections. */
export interface Observations {
  readonly boxes: Boxes
  /** 0…1. */
  readonly scores: readonly number[]
}

/** What lies between two frames. */
export interface Step {
  /** Nominal frames; 0 where the clock did not move. */
  readonly frames: number
  readonly seconds: number
  /** Whether it counts as one frame exactly. */
  readonly nominal: boolean
}

/** Numbers of tracks, and which of them end. */
export interface Ids {
  next(): number
  end(id: number): void
}

/** The id of a track that has none yet, or of a detection that belongs to no track. */
export const NONE = -1

/** Tracks that compete for the same detections, by one algorithm. */
export interface Association<Track> {
  /** Tracks, those without ids included. */
  readonly size: number
  /** @returns the id of each detection's track, or `NONE` */
  update(observations: Observations, step: Step, ids: Ids): number[]
  /** Ends all tracks. */
  clear(ids: Ids): void
  /** Plain data. */
  save(): readonly Track[]
}

/** What all algorithms choose. */
export interface AssociationSettings {
  /** Seconds after which a track that was not found has ended. */
  readonly maxLost: number
  /** Scores from which detections are matched first. */
  readonly highScore: number
  /** Scores from which a detection begins a track. */
  readonly newTrackScore: number
  /** Overlap (intersection over union) from which a detection may continue a track. */
  readonly minOverlap: number
  /** Updates in a row after which a track has an id. */
  readonly minUpdates: number
}

export interface Matches {
  /** Pairs of places among tracks and among detections, in the order of tracks. */
  readonly pairs: readonly (readonly [track: number, detection: number])[]
  readonly tracksLeft: readonly number[]
  readonly detectionsLeft: readonly number[]
}

/**
 * Matches so that the sum of gains is the largest, and gives up pairs that overlap too little.
 *
 * @param overlap tracks × detections
 * @param gain likewise
 */
export function match(
  overlap: Float32Array,
  gain: Float32Array,
  tracks: number,
  detections: number,
  minOverlap: number,
): Matches {
  const least = Math.fround(minOverlap)
  const pairs: [number, number][] = []
  const tracksLeft: number[] = []
  const isTaken: boolean[] = new Array(detections).fill(false)
  const assigned = tracks > 0 && detections > 0 ? assign(gain, tracks, detections) : null
  for (let track = 0; track < tracks; track++) {
    const detection = assigned?.[track] ?? NONE
    if (detection >= 0 && overlap[track * detections + detection] >= least) {
      pairs.push([track, detection])
      isTaken[detection] = true
    } else tracksLeft.push(track)
  }
  const detectionsLeft: number[] = []
  for (let i = 0; i < detections; i++) if (!isTaken[i]) detectionsLeft.push(i)
  return { pairs, tracksLeft, detectionsLeft }
}
