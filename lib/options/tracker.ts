import { byDefault, choice, flag, integer, number, type OptionsOf, type Settings } from './option.js'

/** ByteTrack keeps tracks through detections of low score, OC-SORT through motion that bends. */
export const TRACKER_NAMES = ['bytetrack', 'ocsort'] as const
export type TrackerName = (typeof TRACKER_NAMES)[number]

/** What a caller can choose about tracking. */
export interface TrackerOptions {
  /** Algorithm: `bytetrack` (the default) or `ocsort`. */
  readonly algorithm?: TrackerName
  /** Whether a track keeps to one class. Defaults to false: detectors mistake a van for a truck now and then. */
  readonly perClass?: boolean
  /** Frames a second that are tracked, as a rule; 0.1…1000. Defaults to 30. Motion is foreseen frame by frame. */
  readonly frameRate?: number
  /** Seconds for which a track that is not found is kept; 0…3600. Defaults to 1. */
  readonly lostTime?: number
  /**
   * Score from which detections are matched first; 0…1. Defaults to 0.6. Those below it only continue tracks
   * (ByteTrack), or are in none (OC-SORT).
   */
  readonly highScore?: number
  /** Score from which a detection begins a track of ByteTrack; 0…1. Defaults to 0.7. OC-SORT takes `highScore`. */
  readonly newTrackScore?: number
  /** Overlap (intersection over union, 0…1) from which a detection may continue a track. Defaults to 0.1 (ByteTrack) or 0.3 (OC-SORT). */
  readonly minOverlap?: number
  /** Frames in a row in which a track must be found before it has an id; 1…1000. Defaults to 2 (ByteTrack) or 3 (OC-SORT). */
  readonly minUpdates?: number
}

export const TRACKER_OPTIONS = {
  algorithm: choice('how detections become tracks', TRACKER_NAMES, byDefault('bytetrack')),
  perClass: flag('let tracks keep to one class', false),
  frameRate: number('frames a second that are tracked', 0.1, 1000, byDefault(30)),
  lostTime: number('seconds for which a track that is not found is kept', 0, 3600, byDefault(1)),
  highScore: number('score from which detections are matched first', 0, 1, byDefault(0.6)),
  newTrackScore: number('score from which a detection begins a track of ByteTrack', 0, 1, byDefault(0.7)),
  minOverlap: number(
    'overlap from which a detection may continue a track',
    0,
    1,
    byDefault(null, '0.1 (ByteTrack) or 0.3 (OC-SORT)'),
  ),
  minUpdates: integer(
    'frames in a row in which a track must be found before it has an id',
    1,
    1000,
    byDefault(null, '2 (ByteTrack) or 3 (OC-SORT)'),
  ),
} satisfies OptionsOf<TrackerOptions>

export type TrackerSettings = Settings<typeof TRACKER_OPTIONS>
