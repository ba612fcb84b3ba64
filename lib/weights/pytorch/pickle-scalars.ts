import { MAX_PICKLE_DIGITS } from '../../base/limits.js'

/* Numbers and texts as pickles write them. */

/** Thrown with the problem alone; `unpickle` adds the place. */
export class Damage extends Error {}

export function damaged(problem: string): never {
  throw new Damage(problem)
}

/** Invalid sequences (lone surrogates, which Python may write) become U+FFFD. */
export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** Little-endian two's complement of any length. */
export function longOf(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0
  const magnitude = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
  return smallest(BigInt.asIntN(bytes.length * 8, magnitude))
}

export function integerOf(text: string): number | bigint {
  if (text.length > MAX_PICKLE_DIGITS || !/^[+-]?\d+$/.test(text)) damaged('has a malformed integer')
  return smallest(BigInt(text.replace(/^\+/, '')))
}

function smallest(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

export function memoIndex(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : damaged('has a malformed memo index')
}

const SPECIAL_FLOATS: ReadonlyMap<string, number> = new Map([
  ['inf', Infinity],
  ['+inf', Infinity],
  ['-inf', -Infinity],
  ['nan', NaN],
  ['-nan', NaN],
])

/** No digit fits two places of the pattern, which would take time that grows with their number squared. */
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i

export function floatOf(text: string): number {
  const special = SPECIAL_FLOATS.get(text)
  if (special !== undefined) return special
  return text.length <= MAX_PICKLE_DIGITS && FLOAT.test(text)
    ? Number(text)
    : damaged('has a malformed number')
}

export function unquote(text: string): string {
  return /^(['"]).*\1$/s.test(text) && text.length >= 2
    ? text.slice(1, -1)
    : damaged('has text without quotes')
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
])

/** The escapes that `repr` of Python 2 writes. */
export function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (_, code: string | undefined, letter: string) =>
    code === undefined ? (ESCAPES.get(letter) ?? letter) : fromCode(code),
  )
}

/** Python's "raw unicode escape": Latin-1 but for `\uXXXX` and `\UXXXXXXXX`. */
export function rawUnicode(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(
      /\\(?:u([0-9a-fA-F]{4})|U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4}))/g,
      (_, short: string | undefined, long: string) => fromCode(short ?? long),
    )
}

function fromCode(hexadecimal: string): string {
  return String.fromCodePoint(Number.parseInt(hexadecimal, 16))
}
