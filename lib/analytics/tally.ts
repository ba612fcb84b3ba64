import type { Counts, LineCount, ZoneCount } from './events.js'
import type { Direction } from './line.js'

/** Counts of one line by label. */
interface Crossings {
  readonly label: string
  in: number
  out: number
}

/** Counts of one zone by label. */
interface Stays {
  readonly label: string
  entered: number
  left: number
}

interface ZoneTally {
  readonly classes: Stays[]
  /** Seconds. */
  total: number
  longest: number
}

/** Lines and zones by their places. */
export interface TallyState {
  readonly lines: readonly Crossings[][]
  readonly zones: readonly ZoneTally[]
  readonly journeys: readonly { readonly from: number; readonly to: number; readonly count: number }[]
}

/** What was counted so far. */
export class Tally {
  #lines: readonly Crossings[][]
  #zones: readonly ZoneTally[]
  /** By place of origin and place of destination. */
  readonly #journeys = new Map<string, { readonly from: number; readonly to: number; count: number }>()

  constructor(lines: number, zones: number) {
    this.#lines = Array.from({ length: lines }, () => [])
    this.#zones = Array.from({ length: zones }, () => ({ classes: [], total: 0, longest: 0 }))
  }

  restore({ lines, zones, journeys }: TallyState): void {
    this.#lines = lines
    this.#zones = zones
    for (const { from, to, count } of journeys) this.#journeys.set(`${from} ${to}`, { from, to, count })
  }

  save(): TallyState {
    return { lines: this.#lines, zones: this.#zones, journeys: [...this.#journeys.values()] }
  }

  cross(line: number, label: string, direction: Direction): void {
    ofLabel(this.#lines[line], label, { label, in: 0, out: 0 })[direction]++
  }

  enter(zone: number, label: string): void {
    ofLabel(this.#zones[zone].classes, label, { label, entered: 0, left: 0 }).entered++
  }

  /** @param dwell seconds */
  leave(zone: number, label: string, dwell: number): void {
    const tally = this.#zones[zone]
    ofLabel(tally.classes, label, { label, entered: 0, left: 0 }).left++
    tally.total += dwell
    tally.longest = Math.max(tally.longest, dwell)
  }

  journey(from: number, to: number): void {
    const key = `${from} ${to}`
    const journey = this.#journeys.get(key) ?? { from, to, count: 0 }
    journey.count++
    this.#journeys.set(key, journey)
  }

  counts(lineNames: readonly string[], zoneNames: readonly string[]): Counts {
    const journeys = zoneNames.flatMap((origin, from) => {
      const own = [...this.#journeys.values()].filter((it) => it.from === from)
      if (own.length === 0) return []
      const destinations = own.map(({ to, count }): [string, number] => [zoneNames[to], count])
      return [[origin, Object.fromEntries(destinations)] as const]
    })
    return {
      lines: Object.fromEntries(lineNames.map((name, i) => [name, lineCount(this.#lines[i])])),
      zones: Object.fromEntries(zoneNames.map((name, i) => [name, zoneCount(this.#zones[i])])),
      journeys: Object.fromEntries(journeys),
    }
  }
}

function ofLabel<T extends { readonly label: string }>(list: T[], label: string, fresh: T): T {
  const known = list.find((it) => it.label === label)
  if (known !== undefined) return known
  list.push(fresh)
  return fresh
}

function lineCount(crossings: readonly Crossings[]): LineCount {
  return {
    in: sum(crossings, (it) => it.in),
    out: sum(crossings, (it) => it.out),
    classes: Object.fromEntries(crossings.map(({ label, ...counts }) => [label, counts])),
  }
}

function zoneCount({ classes, total, longest }: ZoneTally): ZoneCount {
  const entered = sum(classes, (it) => it.entered)
  const left = sum(classes, (it) => it.left)
  return {
    ...{ count: entered - left, entered, left, totalDwell: total, longestDwell: longest },
    classes: Object.fromEntries(
      classes.map(({ label, entered, left }) => [label, { count: entered - left, entered, left }]),
    ),
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
