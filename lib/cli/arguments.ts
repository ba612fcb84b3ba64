import { InvalidArgumentError } from 'commander'
import type { Size } from '../models/levels.js'
import type { DetectOptions } from '../options/detect.js'

/** Parsers of command-line values; commander prints the option with their messages. */

export function parseNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.')
  return value
}

export function parseInteger(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}

/** `0,1` */
export function parseIntegers(text: string): number[] {
  return text.split(',').map((item) => parseInteger(item.trim()))
}

/** `person,dog`. */
export function parseList(text: string): string[] {
  const items = text.split(',').map((item) => item.trim())
  if (items.includes('')) throw new InvalidArgumentError('Expected a list such as person,dog.')
  return items
}

/** Thresholds as `detect` takes them. */
export type Thresholds = Pick<DetectOptions, 'scoreThreshold' | 'classThresholds'>

/** `0.4` is the threshold of all classes, `person=0.6` that of one; several make a whole. */
export function parseThreshold(text: string, others: Thresholds = {}): Thresholds {
  const at = text.lastIndexOf('=')
  if (at < 0) return { ...others, scoreThreshold: parseNumber(text) }
  const threshold = { [text.slice(0, at)]: parseNumber(text.slice(at + 1)) }
  return { ...others, classThresholds: { ...others.classThresholds, ...threshold } }
}

/** `384x640` is 384 high and 640 wide; one number is both. */
export function parseSize(text: string): Size {
  const match = /^(\d{1,5})(?:[x×](\d{1,5}))?$/i.exec(text)
  if (match === null) throw new InvalidArgumentError('Expected HEIGHTxWIDTH, such as 384x640, or one number.')
  const height = Number(match[1])
  return { height, width: match[2] === undefined ? height : Number(match[2]) }
}

/** `640x` is a width, `x360` a height, `640x360` both. */
export function parseScale(text: string): { width?: number; height?: number } {
  const match = /^(\d{0,5})[x×](\d{0,5})$/i.exec(text)
  const [width, height] = match === null ? ['', ''] : match.slice(1)
  if (width === '' && height === '') throw new InvalidArgumentError('Expected WIDTHxHEIGHT, 640x or x360.')
  return { ...(width !== '' && { width: Number(width) }), ...(height !== '' && { height: Number(height) }) }
}

/** Shells give empty texts for variables that are not set. */
export function parsePath(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected a path, and this is empty.')
  return text
}

export function parsePaths(text: string, others: readonly string[] = []): string[] {
  return [...others, parsePath(text)]
}

/** An address that can be fetched from. */
export function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new InvalidArgumentError('Expected a URL, such as https://example.org/folder.')
}

export function parseBatch(text: string): number | 'dynamic' {
  if (text === 'dynamic') return text
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a whole number, or dynamic.')
}

/** `1,1.26,1.59`, or as zylo's project files write it: `[2 ** 0, 2 ** (1.0 / 3.0), 2 ** (2.0 / 3.0)]`. */
export function parseScales(text: string): number[] {
  const items = unbracketed(text)
    .split(',')
    .map((item) => scaleOf(item.trim()))
  if (!items.every(isPositive)) {
    throw new InvalidArgumentError('Expected numbers such as 1,1.26,1.59 or [2 ** 0, 2 ** (1.0 / 3.0)].')
  }
  return items
}

const NUMBER = '\\d+(?:\\.\\d*)?|\\.\\d+'
/** A fraction needs its parentheses: `2 ** 1 / 3` is two thirds to Python. */
const POWER = new RegExp(
  `^(${NUMBER})\\s*\\*\\*\\s*(?:(${NUMBER})|\\(\\s*(${NUMBER})\\s*(?:/\\s*(${NUMBER})\\s*)?\\))$`,
)

function scaleOf(text: string): number {
  const power = POWER.exec(text)
  if (power !== null) return Number(power[1]) ** (Number(power[2] ?? power[3]) / Number(power[4] ?? 1))
  return new RegExp(`^(?:${NUMBER})$`).test(text) ? Number(text) : Number.NaN
}

/**
 * Pairs of width and height as they are (`1:1,1.4:0.7` or zylo's `[(1.0, 1.0), (1.4, 0.7)]`), or numbers r, width
 * over height: √r and 1/√r.
 */
export function parseRatios(text: string): [number, number][] {
  const refuse = () =>
    new InvalidArgumentError(
      'Expected width:height pairs such as 1:1,1.4:0.7,0.7:1.4, or single ratios such as 1,2,0.5.',
    )
  const number = `(${NUMBER})`
  const pair = new RegExp(
    `^\\s*(?:\\(\\s*${number}\\s*,\\s*${number}\\s*\\)|${number}\\s*:\\s*${number}|${number})\\s*(?:,|$)`,
  )
  const ratios: [number, number][] = []
  let rest = unbracketed(text)
  while (rest.trim() !== '') {
    const match = pair.exec(rest)
    if (match === null) throw refuse()
    const single = match[5] === undefined ? null : Math.sqrt(Number(match[5]))
    const [width, height] =
      single === null ? [match[1] ?? match[3], match[2] ?? match[4]].map(Number) : [single, 1 / single]
    if (!isPositive(width) || !isPositive(height)) throw refuse()
    ratios.push([width, height])
    rest = rest.slice(match[0].length)
  }
  if (ratios.length === 0) throw refuse()
  return ratios
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0
}

function unbracketed(text: string): string {
  return text.trim().replace(/^\[(.*)\]$/s, '$1')
}
