import { MAX_CLASSES, MAX_LABEL_LETTERS, MAX_POLYGON_POINTS, MAX_ZONES } from '../base/limits.js'
import type { Size } from '../models/levels.js'
import { checkInteger, checkNames, checkNumber, invalidOption } from './checks.js'
import { byDefault, choice, number, type OptionsOf, other, type Settings } from './option.js'

export type Point = readonly [x: number, y: number]

/** The place of a box that stands for the object: the middle of its lower or upper side, or its centre. */
const ANCHORS = ['bottom', 'centre', 'top'] as const
export type Anchor = (typeof ANCHORS)[number]

/** A straight line whose crossings are counted. */
export interface LineOptions {
  readonly name: string
  /**
   * Ends. To one who looks from the first to the second, `in` is from the left to the right: downwards across a line
   * from left to right.
   */
  readonly from: Point
  readonly to: Point
  /** Only these, by label or classId. Defaults to all. */
  readonly classes?: readonly (string | number)[]
}

/** A polygon in which objects are counted. */
export interface ZoneOptions {
  readonly name: string
  /** Corners, at least three. */
  readonly points: readonly Point[]
  /** Only these, by label or classId. Defaults to all. */
  readonly classes?: readonly (string | number)[]
}

/** What is counted. A zones file has the same, as YAML or JSON. */
export interface AnalyticsOptions {
  readonly lines?: readonly LineOptions[]
  readonly zones?: readonly ZoneOptions[]
  /** Which place of a box stands for the object. Defaults to `bottom`, where people and cars meet the ground. */
  readonly anchor?: Anchor
  /** Seconds for which an object must be on the other side before that counts; 0…60. Defaults to 0.5. */
  readonly hysteresis?: number
  /**
   * Width and height of the picture in which points were taken; 1 and 1 for points from 0 to 1. Defaults to the
   * frames' own.
   */
  readonly size?: Size
  /** Columns and rows of a map of where objects were; 1…1000 each. Defaults to none. */
  readonly heatMap?: { readonly columns: number; readonly rows: number }
}

export const ANALYTICS_OPTIONS = {
  lines: other(
    'lines whose crossings are counted',
    checkLines,
    byDefault<readonly LineOptions[]>([], 'none'),
  ),
  zones: other(
    'polygons in which objects are counted',
    checkZones,
    byDefault<readonly ZoneOptions[]>([], 'none'),
  ),
  anchor: choice('the place of a box that stands for the object', ANCHORS, byDefault('bottom')),
  hysteresis: number('seconds on the other side before that counts', 0, 60, byDefault(0.5)),
  size: other('the picture in which points were taken', checkPictureSize, byDefault(null, "the frames' own")),
  heatMap: other('columns and rows of a map of where objects were', checkGrid, byDefault(null, 'none')),
} satisfies OptionsOf<AnalyticsOptions>

export type AnalyticsSettings = Settings<typeof ANALYTICS_OPTIONS>

function checkLines(name: string, value: unknown): readonly LineOptions[] {
  return checkNamed(name, value, ['from', 'to'], (item, path) => {
    const from = checkPoint(`${path}.from`, item.from)
    const to = checkPoint(`${path}.to`, item.to)
    if (from[0] === to[0] && from[1] === to[1])
      throw invalidOption(`${path}.to`, to, 'another point than from')
    return { from, to }
  })
}

function checkZones(name: string, value: unknown): readonly ZoneOptions[] {
  return checkNamed(name, value, ['points'], ({ points: found }, path) => {
    if (!Array.isArray(found) || found.length < 3 || found.length > MAX_POLYGON_POINTS) {
      throw invalidOption(`${path}.points`, found, `3 to ${MAX_POLYGON_POINTS} points [x, y]`)
    }
    const points = found.map((point, i) => checkPoint(`${path}.points[${i}]`, point))
    if (areaOf(points) === 0) throw invalidOption(`${path}.points`, found, 'points that are not on one line')
    return { points }
  })
}

interface Named {
  readonly name: string
  readonly classes?: readonly (string | number)[]
}

function checkNamed<T>(
  name: string,
  value: unknown,
  keys: readonly string[],
  check: (item: Readonly<Record<string, unknown>>, path: string) => T,
): (T & Named)[] {
  if (!Array.isArray(value) || value.length > MAX_ZONES) {
    throw invalidOption(name, value, `a list of at most ${MAX_ZONES}`)
  }
  const names = new Set<string>()
  return value.map((item: Readonly<Record<string, unknown>>, i) => {
    const path = `${name}[${i}]`
    if (item === undefined) throw invalidOption(path, item, 'an object')
    checkNames(path, item, ['name', 'classes', ...keys])
    const own = checkName(`${path}.name`, item.name)
    if (names.has(own)) throw invalidOption(`${path}.name`, own, 'a name that no other has')
    names.add(own)
    const classes =
      item.classes === undefined ? {} : { classes: checkFilter(`${path}.classes`, item.classes) }
    return { name: own, ...classes, ...check(item, path) }
  })
}

function checkName(name: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= MAX_LABEL_LETTERS) return value
  throw invalidOption(name, value, `a text of 1 to ${MAX_LABEL_LETTERS} letters`)
}

function checkFilter(name: string, value: unknown): readonly (string | number)[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_CLASSES) {
    throw invalidOption(name, value, 'a list of labels or class ids')
  }
  return value.map((it, i) =>
    typeof it === 'string' ? it : checkInteger(`${name}[${i}]`, it, 0, MAX_CLASSES - 1),
  )
}

/** Far beyond any picture. */
const MAX_COORDINATE = 1e6

function checkPoint(name: string, value: unknown): Point {
  if (!Array.isArray(value) || value.length !== 2) throw invalidOption(name, value, 'a point [x, y]')
  const [x, y] = value.map((it, i) => checkNumber(`${name}[${i}]`, it, -MAX_COORDINATE, MAX_COORDINATE))
  return [x, y]
}

function checkPictureSize(name: string, value: unknown): Size {
  if (typeof value !== 'object' || value === null) throw invalidOption(name, value, '{ width, height }')
  checkNames(name, value, ['width', 'height'])
  const { width, height } = value as Partial<Size>
  return {
    width: checkNumber(`${name}.width`, width, 1, MAX_COORDINATE),
    height: checkNumber(`${name}.height`, height, 1, MAX_COORDINATE),
  }
}

function checkGrid(name: string, value: unknown): { readonly columns: number; readonly rows: number } {
  if (typeof value !== 'object' || value === null) throw invalidOption(name, value, '{ columns, rows }')
  checkNames(name, value, ['columns', 'rows'])
  const { columns, rows } = value as { columns?: unknown; rows?: unknown }
  return {
    columns: checkInteger(`${name}.columns`, columns, 1, 1000),
    rows: checkInteger(`${name}.rows`, rows, 1, 1000),
  }
}

function areaOf(points: readonly Point[]): number {
  return points.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length]
    return sum + x * nextY - nextX * y
  }, 0)
}
