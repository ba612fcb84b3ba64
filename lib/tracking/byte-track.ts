import { MAX_TRACKS } from '../base/limits.js'
import {
  type Association,
  type AssociationSettings,
  type Ids,
  match,
  NONE,
  type Observations,
  type Step,
} from './association.js'
import { type Covariance, noiseOf, predictCovariance, updateCovariance } from './kalman.js'
import { type Boxes, overlaps, pick } from './overlap.js'

/** Variances in square pixels; those of the velocity also for a nominal frame. */
const FRAME_NOISE = { position: 0.01, velocity: 0.01 }
const MEASUREMENT_NOISE = 0.1

/** A box whose four sides move with velocities of their own. */
export interface ByteTrackTrack {
  id: number
  /** Updates in a row. */
  updates: number
  /** Updates of the tracker since it was found, and seconds. */
  missed: number
  lost: number
  /** x1, y1, x2, y2 in pixels. */
  readonly box: number[]
  /** Pixels a nominal frame. */
  readonly velocity: number[]
  /** The four sides share it. */
  readonly covariance: Covariance
}

/**
 * ByteTrack (Zhang et al. 2022): detections of high score are matched with all tracks, then those of low score with
 * the tracks that are left.
 */
export class ByteTrack implements Association<ByteTrackTrack> {
  readonly #settings: AssociationSettings
  #tracks: ByteTrackTrack[]

  constructor(settings: AssociationSettings, tracks: readonly ByteTrackTrack[] = []) {
    this.#settings = settings
    this.#tracks = [...tracks]
  }

  get size(): number {
    return this.#tracks.length
  }

  update({ boxes, scores }: Observations, step: Step, ids: Ids): number[] {
    const { maxLost, highScore, newTrackScore, minOverlap, minUpdates } = this.#settings
    const found: number[] = new Array(scores.length).fill(NONE)
    if (step.frames > 0) this.#predict(step)
    this.#keep(ids, ({ lost }) => lost <= maxLost)

    const tracks = this.#tracks
    const predicted = boxesOf(tracks)
    const high: number[] = []
    const low: number[] = []
    for (let i = 0; i < scores.length; i++) (scores[i] >= highScore ? high : low).push(i)
    const take = (track: ByteTrackTrack, detection: number) => {
      update(track, boxes, 4 * detection)
      if (track.id === NONE && track.updates >= minUpdates) track.id = ids.next()
      found[detection] = track.id
    }

    const overlap = overlaps(predicted, pick(boxes, high))
    const first = match(overlap, overlap, tracks.length, high.length, minOverlap)
    for (const [track, detection] of first.pairs) take(tracks[track], high[detection])

    const left = first.tracksLeft
    const lowOverlap = overlaps(pick(predicted, left), pick(boxes, low))
    const second = match(lowOverlap, lowOverlap, left.length, low.length, minOverlap)
    for (const [track, detection] of second.pairs) take(tracks[left[track]], low[detection])

    this.#keep(ids, ({ id, missed, updates }) => id !== NONE || missed === 0 || updates >= minUpdates)
    for (const i of first.detectionsLeft) {
      if (scores[high[i]] >= newTrackScore && this.size < MAX_TRACKS)
        this.#tracks.push(begin(boxes, 4 * high[i]))
    }
    return found
  }

  clear(ids: Ids): void {
    this.#keep(ids, () => false)
  }

  save(): readonly ByteTrackTrack[] {
    return structuredClone(this.#tracks)
  }

  #predict({ frames, seconds, nominal }: Step): void {
    const noise = noiseOf(FRAME_NOISE, frames, nominal)
    for (const track of this.#tracks) {
      const { box, velocity } = track
      for (let i = 0; i < 4; i++) box[i] += frames * velocity[i]
      predictCovariance(track.covariance, frames, noise)
      if (track.missed > 0) track.updates = 0
      track.missed++
      track.lost += seconds
    }
  }

  #keep(ids: Ids, isKept: (track: ByteTrackTrack) => boolean): void {
    this.#tracks = this.#tracks.filter((track) => {
      const kept = isKept(track)
      if (!kept && track.id !== NONE) ids.end(track.id)
      return kept
    })
  }
}

function begin(boxes: Boxes, at: number): ByteTrackTrack {
  return {
    id: NONE,
    updates: 1,
    missed: 0,
    lost: 0,
    box: [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]],
    velocity: [0, 0, 0, 0],
    covariance: { position: 1, cross: 0, velocity: 1 },
  }
}

function update(track: ByteTrackTrack, boxes: Boxes, at: number): void {
  const { box, velocity } = track
  const gain = updateCovariance(track.covariance, MEASUREMENT_NOISE)
  for (let i = 0; i < 4; i++) {
    const surprise = boxes[at + i] - box[i]
    box[i] += gain.position * surprise
    velocity[i] += gain.velocity * surprise
  }
  track.missed = 0
  track.lost = 0
  track.updates++
}

function boxesOf(tracks: readonly ByteTrackTrack[]): Boxes {
  const boxes: number[] = []
  for (const { box } of tracks) boxes.push(box[0], box[1], box[2], box[3])
  return boxes
}
