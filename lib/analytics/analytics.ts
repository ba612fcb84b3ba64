import { inspect } from '../base/inspect.js'
import type { Size } from '../models/levels.js'
import {
  ANALYTICS_OPTIONS,
  type AnalyticsOptions,
  type AnalyticsSettings,
  type Point,
} from '../options/analytics.js'
import { checkNumber, invalidOption } from '../options/checks.js'
import { checkOptions } from '../options/option.js'
import type { Tracked, TrackedFrame } from '../tracking/tracker.js'
import type { Counts, Crossing, ObjectEvent, ObjectState, Observable, Visit } from './events.js'
import { anchorOf } from './geometry.js'
import { addStay, type HeatMap } from './heat-map.js'
import { type Direction, finish, follow } from './line.js'
import { newRecord, type ObjectRecord, recognise, type Stay } from './object-record.js'
import { complete, settle, tremble } from './settling.js'
import { type AnalyticsState, checkState } from './state.js'
import { Tally } from './tally.js'
import { type Polygon, polygonOf, sideOf } from './zone.js'

/** Counts what tracks do: crossings of lines, stays in zones, journeys. Pure computation, one instance a stream. */
export class Analytics {
  readonly #settings: AnalyticsSettings
  readonly #frame: Size
  readonly #lines: readonly (readonly [Point, Point])[]
  readonly #polygons: readonly Polygon[]
  readonly #tally: Tally
  readonly #objects = new Map<number, ObjectRecord>()
  readonly #heatMap: HeatMap | null

  /**
   * @param options what is counted, as `readZones` gives it
   * @param frame width and height of the stream's frames, in pixels
   * @throws EfficientDetError ERR_INVALID_OPTION
   */
  constructor(options: AnalyticsOptions, frame: Size) {
    this.#settings = checkOptions('the analytics options', options, ANALYTICS_OPTIONS)
    this.#frame = checkFrame(frame)
    const { lines, zones, size, heatMap } = this.#settings
    const { width, height } = this.#frame
    const scaled = ([x, y]: Point): Point =>
      size === null ? [x, y] : [(x / size.width) * width, (y / size.height) * height]
    this.#lines = lines.map(({ from, to }) => [scaled(from), scaled(to)])
    this.#polygons = zones.map(({ points }) => polygonOf(points.map(scaled), this.#frame))
    this.#tally = new Tally(lines.length, zones.length)
    this.#heatMap =
      heatMap === null ? null : { ...heatMap, seconds: new Array(heatMap.columns * heatMap.rows).fill(0) }
  }

  /**
   * Continues from where `save` was called: what was new then is not new again, and counts go on.
   *
   * @throws EfficientDetError ERR_INVALID_OPTION for what is no such state
   */
  static restore(state: AnalyticsState): Analytics {
    const { options, frame, tally, objects, heatMap } = checkState(state)
    const analytics = new Analytics(options, frame)
    analytics.#tally.restore(tally)
    for (const record of objects) analytics.#objects.set(record.trackId, record)
    if (heatMap !== null) analytics.#heatMap?.seconds.splice(0, Number.POSITIVE_INFINITY, ...heatMap)
    return analytics
  }

  /** All there is to know, as plain data that survives JSON. */
  save(): AnalyticsState {
    const options: AnalyticsOptions = Object.fromEntries(
      Object.entries(this.#settings).filter(([, value]) => value !== null),
    )
    return structuredClone({
      version: 1,
      options,
      frame: this.#frame,
      tally: this.#tally.save(),
      objects: [...this.#objects.values()],
      heatMap: this.#heatMap?.seconds ?? null,
    })
  }

  /**
   * Takes the next frame from a tracker. Detections without a track count nowhere.
   *
   * @returns what has changed: ends first
   * @throws EfficientDetError ERR_INVALID_OPTION
   */
  update(frame: TrackedFrame<Observable>): ObjectEvent[] {
    const { time, detections, ended } = checkTracked(frame)
    const events = ended.flatMap((trackId) => this.#end(trackId, time))
    for (const detection of detections) {
      if (detection.trackId !== null) events.push(...this.#observe(detection, detection.trackId, time))
    }
    return events
  }

  get counts(): Counts {
    const { lines, zones } = this.#settings
    return this.#tally.counts(
      lines.map(({ name }) => name),
      zones.map(({ name }) => name),
    )
  }

  /** Objects whose tracks last. */
  get objects(): ObjectState[] {
    return [...this.#objects.values()].map((record) => this.#stateOf(record, null))
  }

  /** Where objects were; null unless it was asked for. */
  get heatMap(): HeatMap | null {
    return this.#heatMap === null ? null : { ...this.#heatMap, seconds: [...this.#heatMap.seconds] }
  }

  #observe(detection: Tracked<Observable>, trackId: number, time: number): ObjectEvent[] {
    const { anchor, hysteresis, lines, zones } = this.#settings
    const known = this.#objects.get(trackId)
    const record = known ?? newRecord(detection, trackId, time, lines.length, zones.length)
    if (known === undefined) this.#objects.set(trackId, record)
    const { label, last } = record
    recognise(record, detection)
    const point = this.#within(anchorOf(detection.box, anchor))
    const margin = tremble(detection.box)

    const crossings: Crossing[] = []
    for (const [i, { name, classes }] of lines.entries()) {
      if (!isAmong(record, classes)) continue
      const trace = record.lines[i]
      const direction = follow(trace, this.#lines[i], last, point, margin, time, hysteresis)
      if (direction !== null) crossings.push(this.#cross(record, i, name, direction, trace.since))
    }
    const entered: string[] = []
    const left: Visit[] = []
    for (const [i, { name, classes }] of zones.entries()) {
      const stay = record.zones[i]
      // Who entered may leave, whatever it is taken for by now.
      if (stay.label === null && !isAmong(record, classes)) continue
      if (!settle(stay, sideOf(this.#polygons[i], point, margin), time, hysteresis)) continue
      if (stay.side > 0) entered.push(this.#enter(record, i, name))
      else left.push(this.#leave(stay, i, name, stay.since))
    }
    if (this.#heatMap !== null)
      addStay(this.#heatMap, point, this.#frame, Math.max(0, time - record.lastTime))
    record.last = point
    record.lastTime = time
    record.box = [...detection.box]
    record.score = Math.max(record.score, detection.score)

    if (known === undefined) return [this.#event('new', time, record, crossings, entered, left)]
    const changed = crossings.length + entered.length + left.length > 0 || label !== record.label
    return changed ? [this.#event('update', time, record, crossings, entered, left)] : []
  }

  #end(trackId: number, time: number): ObjectEvent[] {
    const record = this.#objects.get(trackId)
    if (record === undefined) return []
    const { lines, zones } = this.#settings
    const crossings = lines.flatMap(({ name }, i) => {
      const direction = finish(record.lines[i])
      return direction === null ? [] : [this.#cross(record, i, name, direction, record.lines[i].since)]
    })
    const entered: string[] = []
    const left: Visit[] = []
    for (const [i, { name }] of zones.entries()) {
      const stay = record.zones[i]
      if (complete(stay)) {
        if (stay.side > 0) entered.push(this.#enter(record, i, name))
        else left.push(this.#leave(stay, i, name, stay.since))
      }
      if (stay.label !== null) left.push(this.#leave(stay, i, name, record.lastTime))
    }
    if (record.entries > 1) this.#tally.journey(record.entered[0], record.destination)
    this.#objects.delete(trackId)
    return [this.#event('end', time, record, crossings, entered, left)]
  }

  /** A box may end at the frame's very border, which is in the zones that reach it. */
  #within([x, y]: Point): Point {
    const { width, height } = this.#frame
    return [Math.min(x, width - HAIR), Math.min(y, height - HAIR)]
  }

  #cross({ label }: ObjectRecord, i: number, line: string, direction: Direction, time: number): Crossing {
    this.#tally.cross(i, label, direction)
    return { line, direction, time }
  }

  #enter(record: ObjectRecord, i: number, zone: string): string {
    const stay = record.zones[i]
    stay.label = record.label
    stay.from = stay.since
    this.#tally.enter(i, record.label)
    record.entries++
    record.destination = i
    if (!record.entered.includes(i)) record.entered.push(i)
    return zone
  }

  #leave(stay: Stay, i: number, zone: string, to: number): Visit {
    this.#tally.leave(i, stay.label ?? '', to - stay.from)
    stay.label = null
    return { zone, from: stay.from, to }
  }

  #event(
    type: ObjectEvent['type'],
    time: number,
    record: ObjectRecord,
    crossings: readonly Crossing[],
    entered: readonly string[],
    left: readonly Visit[],
  ): ObjectEvent {
    const before = record.told
    const after = this.#stateOf(record, type === 'end' ? record.lastTime : null)
    record.told = after
    return { type, time, before, after, crossings, entered, left }
  }

  #stateOf(record: ObjectRecord, endTime: number | null): ObjectState {
    const { zones } = this.#settings
    const { trackId, label, classId, score, box, startTime } = record
    return {
      ...{ trackId, label, classId, score, box },
      zones: zones.flatMap(({ name }, i) => {
        const { label: inside, from } = record.zones[i]
        return inside === null ? [] : [{ zone: name, since: from }]
      }),
      enteredZones: record.entered.map((i) => zones[i].name),
      startTime,
      endTime,
    }
  }
}

/** Pixels. */
const HAIR = 1e-3

function isAmong(
  { label, classId }: ObjectRecord,
  classes: readonly (string | number)[] | undefined,
): boolean {
  return classes === undefined || classes.includes(label) || classes.includes(classId)
}

function checkFrame(frame: Size): Size {
  return inspect('frame', () => {
    if (typeof frame !== 'object' || frame === null)
      throw invalidOption('frame', frame, '{ width, height } in pixels')
    return {
      width: checkNumber('frame.width', frame.width, 1, 1e6),
      height: checkNumber('frame.height', frame.height, 1, 1e6),
    }
  })
}

function checkTracked(frame: TrackedFrame<Observable>): TrackedFrame<Observable> {
  return inspect('frame', () => {
    const isTracked =
      Number.isFinite(frame?.time) &&
      Array.isArray(frame.ended) &&
      Array.isArray(frame.detections) &&
      frame.detections.every(({ label, box }) => typeof label === 'string' && Array.isArray(box))
    if (!isTracked)
      throw invalidOption('frame', frame, 'what Tracker.update() gave, of detections with labels')
    return frame
  })
}
