import { inspect } from '../base/inspect.js'
import { MAX_CLASSES, MAX_TRACKED_DETECTIONS } from '../base/limits.js'
import { checkInteger, checkNumber, invalidOption } from '../options/checks.js'
import { checkOptions } from '../options/option.js'
import { TRACKER_OPTIONS, type TrackerOptions, type TrackerSettings } from '../options/tracker.js'
import { type AssociationSettings, type Ids, NONE, type Observations, type Step } from './association.js'
import { ByteTrack, type ByteTrackTrack } from './byte-track.js'
import { isNominal } from './kalman.js'
import { OcSort, type OcSortTrack } from './oc-sort.js'
import { pick } from './overlap.js'
import { checkState, type GroupState, type TrackerState } from './state.js'

/** What a tracker needs of a detection; `detect` gives such. */
export interface Trackable {
  /** Corners x1, y1, x2, y2 in pixels, x1 ≤ x2, y1 ≤ y2. */
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number]
  /** 0…1. */
  readonly score: number
  readonly classId: number
}

/** A detection with the number of the track that it belongs to, from 0; null where it is in none yet. */
export type Tracked<T extends Trackable = Trackable> = T & { readonly trackId: number | null }

/** What a tracker makes of one frame. */
export interface TrackedFrame<T extends Trackable = Trackable> {
  /** Seconds of the stream's clock. */
  readonly time: number
  /** All that were given, in their order. */
  readonly detections: Tracked<T>[]
  /** Tracks that have ended with this frame; their ids never come again. */
  readonly ended: readonly number[]
}

/** The group of all classes together. */
const ALL = -1

/** Gives the detections of one stream ids that stay with their objects. Pure computation, one instance a stream. */
export class Tracker {
  readonly #settings: TrackerSettings
  readonly #groups = new Map<number, ByteTrack | OcSort>()
  #nextId = 0
  /** The latest frame's, in seconds. */
  #time: number | null = null
  #ended: number[] = []
  readonly #ids: Ids = {
    next: () => this.#nextId++,
    end: (id) => this.#ended.push(id),
  }

  /** @throws EfficientDetError ERR_INVALID_OPTION */
  constructor(options: TrackerOptions = {}) {
    this.#settings = checkOptions('the tracker options', options, TRACKER_OPTIONS)
  }

  /**
   * Continues from where `save` was called, with the same ids.
   *
   * @throws EfficientDetError ERR_INVALID_OPTION for what is no such state
   */
  static restore(state: TrackerState): Tracker {
    const { options, nextId, time, groups } = checkState(state)
    const tracker = new Tracker(options)
    tracker.#nextId = nextId
    tracker.#time = time
    for (const group of groups) tracker.#groups.set(group.classId, tracker.#association(group))
    return tracker
  }

  /** All there is to know, as plain data that survives JSON. */
  save(): TrackerState {
    const options: TrackerOptions = Object.fromEntries(
      Object.entries(this.#settings).filter(([, value]) => value !== null),
    )
    const groups = [...this.#groups].map(([classId, group]) => {
      const count = group instanceof OcSort ? group.count : 0
      return { classId, count, tracks: group.save() }
    })
    return { version: 1, options, nextId: this.#nextId, time: this.#time, groups }
  }

  /**
   * Takes the next frame's detections, none included: a frame that is left out is no frame without detections, and
   * does no harm.
   *
   * A time before the last frame's begins a new scene, as a camera does that starts again: all tracks end.
   *
   * @param detections 2000 at most
   * @param time of the frame, in seconds of the stream's own clock
   * @throws EfficientDetError ERR_INVALID_OPTION
   */
  update<T extends Trackable>(detections: readonly T[], time: number): TrackedFrame<T> {
    checkNumber('time', time, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    const observations = observed(detections)
    if (this.#time !== null && time < this.#time) this.#clear()
    const step = this.#stepTo(time)
    const trackIds = this.#settings.perClass
      ? this.#updateClasses(detections, observations, step)
      : this.#group(ALL).update(observations, step, this.#ids)
    return {
      time,
      detections: detections.map((detection, i) => {
        return withTrack(detection, trackIds[i] === NONE ? null : trackIds[i])
      }),
      ended: this.#takeEnded(),
    }
  }

  /** Ends all tracks, as at the end of a stream; ids go on where they are. */
  end(): TrackedFrame<never> {
    const time = this.#time ?? 0
    this.#clear()
    return { time, detections: [], ended: this.#takeEnded() }
  }

  #updateClasses(detections: readonly Trackable[], { boxes, scores }: Observations, step: Step): number[] {
    const places = new Map<number, number[]>([...this.#groups.keys()].map((classId) => [classId, []]))
    for (const [i, { classId }] of detections.entries()) {
      const ofClass = places.get(classId)
      if (ofClass === undefined) places.set(classId, [i])
      else ofClass.push(i)
    }
    const trackIds: number[] = new Array(detections.length)
    for (const [classId, own] of places) {
      const observations = { boxes: pick(boxes, own), scores: own.map((i) => scores[i]) }
      const ids = this.#group(classId).update(observations, step, this.#ids)
      for (const [k, i] of own.entries()) trackIds[i] = ids[k]
    }
    return trackIds
  }

  #group(classId: number): ByteTrack | OcSort {
    const known = this.#groups.get(classId)
    if (known !== undefined) return known
    const group = this.#association({ classId, count: 0, tracks: [] })
    this.#groups.set(classId, group)
    return group
  }

  #association({ tracks, count }: GroupState): ByteTrack | OcSort {
    const { algorithm, frameRate, lostTime, highScore, newTrackScore, minOverlap, minUpdates } =
      this.#settings
    const settings = (overlap: number, updates: number): AssociationSettings => ({
      // The frame after the time is up still counts, and half another, for clocks jitter.
      maxLost: lostTime + 1.5 / frameRate,
      highScore,
      newTrackScore,
      minOverlap: minOverlap ?? overlap,
      minUpdates: minUpdates ?? updates,
    })
    return algorithm === 'ocsort'
      ? new OcSort(settings(0.3, 3), tracks as readonly OcSortTrack[], count)
      : new ByteTrack(settings(0.1, 2), tracks as readonly ByteTrackTrack[])
  }

  #stepTo(time: number): Step {
    const { frameRate } = this.#settings
    const seconds = this.#time === null ? 1 / frameRate : time - this.#time
    this.#time = time
    const frames = seconds * frameRate
    return { frames, seconds, nominal: isNominal(frames, frameRate) }
  }

  #clear(): void {
    for (const group of this.#groups.values()) group.clear(this.#ids)
    this.#groups.clear()
    this.#time = null
  }

  #takeEnded(): readonly number[] {
    const ended = this.#ended
    this.#ended = []
    return ended
  }
}

function withTrack<T extends Trackable>(detection: T, trackId: number | null): Tracked<T> {
  // Spreading and a property after it take several times as long.
  const tracked = Object.assign({}, detection) as T & { trackId: number | null }
  tracked.trackId = trackId
  return tracked
}

/** A detection's numbers for the filters. @throws EfficientDetError ERR_INVALID_OPTION */
function observed(detections: readonly Trackable[]): Observations {
  if (!Array.isArray(detections)) throw invalidOption('detections', detections, 'a list of detections')
  if (detections.length > MAX_TRACKED_DETECTIONS) {
    throw invalidOption('detections', detections, `at most ${MAX_TRACKED_DETECTIONS} of one frame`)
  }
  return inspect('a detection', () => {
    const boxes: number[] = []
    const scores: number[] = []
    for (const [i, { box, score, classId }] of detections.entries()) {
      if (!isBox(box)) {
        throw invalidOption(`detections[${i}].box`, box, 'corners [x1, y1, x2, y2] with x1 ≤ x2 and y1 ≤ y2')
      }
      boxes.push(box[0], box[1], box[2], box[3])
      scores.push(checkNumber('a score', score, 0, 1))
      checkInteger('a classId', classId, 0, MAX_CLASSES - 1)
    }
    return { boxes, scores }
  })
}

/** Pixels from the picture's corner, far beyond any picture: squares of squares of them are numbers still. */
const MAX_COORDINATE = 1e9

function isBox(box: unknown): boolean {
  if (!Array.isArray(box) || box.length !== 4) return false
  const [x1, y1, x2, y2] = box
  return box.every((it) => typeof it === 'number' && Math.abs(it) <= MAX_COORDINATE) && x1 <= x2 && y1 <= y2
}
