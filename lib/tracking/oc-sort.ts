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
import { type Covariance, isNominal, noiseOf, predictCovariance, updateCovariance } from './kalman.js'
import { type Boxes, overlaps, pick } from './overlap.js'
import { float32 } from './scratch.js'

/** How much the direction of a motion counts beside the overlap. */
const DIRECTION_WEIGHT = Math.fround(0.2)

/** Updates over which a direction is taken: longer ones are steadier, shorter ones newer. */
const DIRECTION_UPDATES = 3

/** Updates of a replay; a track that was lost for longer hardly knows its motion any more. */
const MAX_REPLAYED = 1000

const CENTRE_NOISE = { position: 1, velocity: 0.01 }
const AREA_NOISE = { position: 1, velocity: 1e-4 }
const RATIO_NOISE = 1
/** Variances of what is measured: centre, and area and ratio. */
const CENTRE_MEASUREMENT = 1
const SHAPE_MEASUREMENT = 10

const gainMemory = float32()

/** Corners in pixels. */
type Corners = readonly [x1: number, y1: number, x2: number, y2: number]

/** Centre, area and width over height of a box, with velocities of all but the last. */
export interface Motion {
  x: number
  y: number
  area: number
  ratio: number
  vx: number
  vy: number
  varea: number
  /** x and y share it. */
  readonly centre: Covariance
  readonly size: Covariance
  ratioVariance: number
}

export interface OcSortTrack {
  id: number
  /** Updates in a row. */
  updates: number
  /** Updates of the tracker since the track began. */
  age: number
  /** Those since it was found, and seconds. */
  missed: number
  lost: number
  motion: Motion
  /** The motion as it was when the track was lost, to be resumed from there; null while it is found. */
  frozen: Motion | null
  last: Corners
  /** The latest boxes with the ages at which they were found, oldest first; the one that began the track is none. */
  readonly history: { readonly age: number; readonly box: Corners }[]
  /** Unit vector of the motion; null before the second box. */
  direction: readonly [dx: number, dy: number] | null
}

/**
 * OC-SORT (Cao et al. 2023): matches by overlap and direction, then by the last boxes that were seen.
 *
 * A track that is found again is replayed along a straight line to where it is now.
 */
export class OcSort implements Association<OcSortTrack> {
  readonly #settings: AssociationSettings
  #tracks: OcSortTrack[]
  /** Updates that had detections or tracks. */
  #count: number

  constructor(settings: AssociationSettings, tracks: readonly OcSortTrack[] = [], count = 0) {
    this.#settings = settings
    this.#tracks = [...tracks]
    this.#count = count
  }

  get size(): number {
    return this.#tracks.length
  }

  update({ boxes: all, scores: allScores }: Observations, step: Step, ids: Ids): number[] {
    const { maxLost, highScore, minOverlap } = this.#settings
    const found: number[] = new Array(allScores.length).fill(NONE)
    if (this.#tracks.length === 0 && allScores.length === 0) return found
    if (step.frames > 0) this.#predict(step)
    this.#keep(ids, ({ lost }) => lost <= maxLost)

    const places: number[] = []
    for (let i = 0; i < allScores.length; i++) if (allScores[i] >= highScore) places.push(i)
    const boxes = pick(all, places)
    const tracks = this.#tracks
    const take = (track: OcSortTrack, detection: number) => {
      update(track, cornersAt(boxes, detection), step.frames)
      found[places[detection]] = this.#idOf(track, ids)
    }

    const overlap = overlaps(predictedBoxes(tracks), boxes)
    const pairs = tracks.length * places.length
    const gain = gainMemory(pairs)
    for (let i = 0; i < pairs; i++) gain[i] = overlap[i]
    addDirections(
      gain,
      tracks,
      boxes,
      places.map((i) => allScores[i]),
    )
    const first = match(overlap, gain, tracks.length, places.length, minOverlap)
    for (const [track, detection] of first.pairs) take(tracks[track], detection)

    const { tracksLeft, detectionsLeft } = first
    const lastBoxes = tracksLeft.flatMap((i) => tracks[i].last)
    const lastOverlap = overlaps(lastBoxes, pick(boxes, detectionsLeft))
    const second = match(lastOverlap, lastOverlap, tracksLeft.length, detectionsLeft.length, minOverlap)
    for (const [track, detection] of second.pairs) take(tracks[tracksLeft[track]], detectionsLeft[detection])

    for (const i of second.detectionsLeft) {
      if (this.size < MAX_TRACKS) this.#tracks.push(begin(cornersAt(boxes, detectionsLeft[i])))
    }
    this.#count++
    return found
  }

  clear(ids: Ids): void {
    this.#keep(ids, () => false)
  }

  save(): readonly OcSortTrack[] {
    return structuredClone(this.#tracks)
  }

  /** Updates so far, which decide about ids in the beginning. */
  get count(): number {
    return this.#count
  }

  /** The id to show: none before enough updates in a row, but for a stream's first frames. */
  #idOf(track: OcSortTrack, ids: Ids): number {
    const { minUpdates } = this.#settings
    if (this.#count > minUpdates && track.updates < minUpdates) return NONE
    if (track.id === NONE) track.id = ids.next()
    return track.id
  }

  #predict({ frames, seconds, nominal }: Step): void {
    const noise = motionNoise(frames, nominal)
    for (const track of this.#tracks) {
      if (track.missed > 0) {
        track.frozen ??= copyOf(track.motion)
        track.updates = 0
      }
      predict(track.motion, frames, noise)
      track.missed++
      track.lost += seconds
      track.age++
    }
  }

  #keep(ids: Ids, isKept: (track: OcSortTrack) => boolean): void {
    this.#tracks = this.#tracks.filter((track) => {
      const kept = isKept(track)
      if (!kept && track.id !== NONE) ids.end(track.id)
      return kept
    })
  }
}

function begin(box: Corners): OcSortTrack {
  const [x, y, area, ratio] = shapeOf(box)
  const motion: Motion = {
    ...{ x, y, area, ratio, vx: 0, vy: 0, varea: 0 },
    centre: { position: 10, cross: 0, velocity: 10_000 },
    size: { position: 10, cross: 0, velocity: 10_000 },
    ratioVariance: 10,
  }
  return {
    ...{ id: NONE, updates: 0, age: 0, missed: 0, lost: 0 },
    ...{ motion, frozen: null, last: box, history: [], direction: null },
  }
}

function update(track: OcSortTrack, box: Corners, step: number): void {
  const from = boxBefore(track)
  if (from !== null) track.direction = directionOf(from, box)
  if (track.frozen !== null) {
    track.motion = track.frozen
    replay(track.motion, track.last, box, Math.min(track.missed, MAX_REPLAYED), step)
    track.frozen = null
  }
  correct(track.motion, ...shapeOf(box))
  track.missed = 0
  track.lost = 0
  track.updates++
  track.last = box
  const { history, age } = track
  while (history.length > 0 && history[0].age < age - DIRECTION_UPDATES) history.shift()
  if (history.at(-1)?.age === age) history.pop()
  history.push({ age, box })
}

/** The box of some updates ago, or the nearest after it, or else the latest; null where the first alone is known. */
function boxBefore({ history, age }: OcSortTrack): Corners | null {
  for (const seen of history) if (seen.age >= age - DIRECTION_UPDATES && seen.age < age) return seen.box
  return history.at(-1)?.box ?? null
}

/** Moves along a straight line from the last box to the new one, as if it had been seen in each update between. */
function replay(motion: Motion, last: Corners, box: Corners, updates: number, step: number): void {
  const noise = motionNoise(step, isNominal(step, null))
  const [x1, y1, area1, ratio1] = shapeOf(last)
  const [x2, y2, area2, ratio2] = shapeOf(box)
  const [width1, height1] = sidesOf(area1, ratio1)
  const [width2, height2] = sidesOf(area2, ratio2)
  const dx = (x2 - x1) / updates
  const dy = (y2 - y1) / updates
  const dw = (width2 - width1) / updates
  const dh = (height2 - height1) / updates
  for (let i = 1; i <= updates; i++) {
    const width = width1 + i * dw
    const height = height1 + i * dh
    correct(motion, x1 + i * dx, y1 + i * dy, width * height, height > 0 ? width / height : 0)
    if (i < updates) predict(motion, step, noise)
  }
}

/** Copies field by field, much faster than `structuredClone` and spreading. */
function copyOf({ x, y, area, ratio, vx, vy, varea, centre, size, ratioVariance }: Motion): Motion {
  return { x, y, area, ratio, vx, vy, varea, centre: { ...centre }, size: { ...size }, ratioVariance }
}

interface MotionNoise {
  readonly centre: Covariance
  readonly size: Covariance
}

function motionNoise(step: number, nominal: boolean): MotionNoise {
  return { centre: noiseOf(CENTRE_NOISE, step, nominal), size: noiseOf(AREA_NOISE, step, nominal) }
}

function predict(motion: Motion, step: number, noise: MotionNoise): void {
  // An area that would shrink to nothing stays.
  if (motion.area + step * motion.varea <= 0) motion.varea = 0
  motion.x += step * motion.vx
  motion.y += step * motion.vy
  motion.area += step * motion.varea
  predictCovariance(motion.centre, step, noise.centre)
  predictCovariance(motion.size, step, noise.size)
  motion.ratioVariance += RATIO_NOISE
}

function correct(motion: Motion, x: number, y: number, area: number, ratio: number): void {
  const centre = updateCovariance(motion.centre, CENTRE_MEASUREMENT)
  const dx = x - motion.x
  const dy = y - motion.y
  motion.x += centre.position * dx
  motion.y += centre.position * dy
  motion.vx += centre.velocity * dx
  motion.vy += centre.velocity * dy
  const size = updateCovariance(motion.size, SHAPE_MEASUREMENT)
  const growth = area - motion.area
  motion.area += size.position * growth
  motion.varea += size.velocity * growth
  const gain = motion.ratioVariance / (motion.ratioVariance + SHAPE_MEASUREMENT)
  motion.ratio += gain * (ratio - motion.ratio)
  motion.ratioVariance = (1 - gain) * motion.ratioVariance * (1 - gain) + gain * SHAPE_MEASUREMENT * gain
}

function shapeOf([x1, y1, x2, y2]: Corners): [x: number, y: number, area: number, ratio: number] {
  const width = x2 - x1
  const height = y2 - y1
  return [x1 + width / 2, y1 + height / 2, width * height, width / (height + 1e-6)]
}

function sidesOf(area: number, ratio: number): [width: number, height: number] {
  return [Math.sqrt(area * ratio), ratio > 0 ? Math.sqrt(area / ratio) : 0]
}

function predictedBoxes(tracks: readonly OcSortTrack[]): Boxes {
  const boxes: number[] = []
  for (const { motion } of tracks) {
    const { x, y, area, ratio } = motion
    const width = Math.sqrt(area * ratio)
    const height = width > 0 ? area / width : 0
    boxes.push(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
  }
  return boxes
}

function cornersAt(boxes: Boxes, place: number): Corners {
  const at = 4 * place
  return [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]]
}

function directionOf(from: Corners, to: Corners): readonly [dx: number, dy: number] {
  const dx = (to[0] + to[2]) / 2 - (from[0] + from[2]) / 2
  const dy = (to[1] + to[3]) / 2 - (from[1] + from[3]) / 2
  const length = Math.sqrt(dx * dx + dy * dy) + 1e-6
  return [dx / length, dy / length]
}

const INVERSE_PI = 1 / Math.PI

/** Adds to the gain of each pair how well the way to the detection fits the track's direction: −0.1…0.1, by score. */
function addDirections(
  gain: Float32Array,
  tracks: readonly OcSortTrack[],
  boxes: Boxes,
  scores: readonly number[],
) {
  const columns = scores.length
  const xs = scores.map((_, j) => (boxes[4 * j] + boxes[4 * j + 2]) / 2)
  const ys = scores.map((_, j) => (boxes[4 * j + 1] + boxes[4 * j + 3]) / 2)
  for (let i = 0; i < tracks.length; i++) {
    const track = tracks[i]
    if (track.direction === null) continue
    const [vx, vy] = track.direction
    const from = boxBefore(track) ?? track.last
    const x = (from[0] + from[2]) / 2
    const y = (from[1] + from[3]) / 2
    for (let j = 0; j < columns; j++) {
      const dx = xs[j] - x
      const dy = ys[j] - y
      const cosine = (vx * dx + vy * dy) / (Math.sqrt(dx * dx + dy * dy) + 1e-6)
      const angle = Math.acos(Math.min(1, Math.max(-1, cosine)))
      // Rounded where the reference does, in float32.
      const fit = Math.fround(0.5 - angle * INVERSE_PI)
      const weighted = Math.fround(DIRECTION_WEIGHT * Math.fround(fit * scores[j]))
      gain[i * columns + j] += weighted
    }
  }
}
