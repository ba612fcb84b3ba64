import { closest } from '../base/closest.js'
import { EfficientDetError } from '../base/errors.js'
import { MAX_INPUT_SIDE } from '../base/limits.js'
import { refuseUnknownNames } from '../base/names.js'
import { show } from '../base/show.js'
import type { Size } from '../models/levels.js'

/** Checks of options, for callers without types and for values that come from outside. */

export function invalidOption(name: string, found: unknown, expected: string): EfficientDetError {
  return new EfficientDetError('ERR_INVALID_OPTION', `${name} is ${show(found)}; expected ${expected}.`)
}

/** Accepts an object with none but the known names; undefined is an empty one. */
export function checkNames(what: string, options: unknown, names: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidOption(what, options, 'an object')
  }
  refuseUnknownNames(what, options, names)
}

export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalidOption(name, value, `a whole number from ${min} to ${max}`)
}

export function checkNumber(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw invalidOption(name, value, `a number from ${min} to ${max}`)
}

export function checkOneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found !== undefined) return found
  const similar = typeof value === 'string' ? closest(value, allowed) : null
  const list = allowed.map((candidate) => `'${candidate}'`).join(', ')
  throw invalidOption(
    name,
    value,
    similar === null ? `one of ${list}` : `one of ${list} (did you mean '${similar}'?)`,
  )
}

/** Height and width, or one number for both. */
export type SizeOption = number | Size

export function checkSize(name: string, value: unknown): Size {
  if (typeof value === 'number') {
    const side = checkInteger(name, value, 1, MAX_INPUT_SIDE)
    return { height: side, width: side }
  }
  if (typeof value !== 'object' || value === null) {
    throw invalidOption(name, value, 'a number of pixels or { height, width }')
  }
  const { height, width } = value as Partial<Size>
  return {
    height: checkInteger(`${name}.height`, height, 1, MAX_INPUT_SIDE),
    width: checkInteger(`${name}.width`, width, 1, MAX_INPUT_SIDE),
  }
}

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw invalidOption('signal', signal, 'an AbortSignal')
}

/** The number of a GPU, as `efficientdet doctor` lists them. */
export function checkDevice(name: string, value: unknown): number {
  return checkInteger(name, value, 0, 15)
}

/** A path or name that may be given to the file system. */
export function checkPath(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw invalidOption(name, value, 'a path or name')
}
