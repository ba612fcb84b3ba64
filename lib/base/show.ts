import { abridged } from './listing.js'

/** Shows in a message what was given, whatever it is: a template alone throws at symbols and some objects. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `"${abridged(value, 80)}"`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint') return `${value}n`
  return String(value)
}
