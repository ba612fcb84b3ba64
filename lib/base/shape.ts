/** What plain data should look like: a check of states that were stored somewhere. */
export type Shape =
  /** A number of at most 10¹⁸, so that computing with it goes on to be finite; a text of at most 500 letters. */
  | 'number'
  | 'text'
  | 'flag'
  /** A whole number from 0 and below that. */
  | { readonly below: number }
  | { readonly orNull: Shape }
  /** A list; of that length exactly, or at most. */
  | { readonly list: Shape; readonly length?: number; readonly most?: number }
  /** An object with any keys. */
  | { readonly values: Shape; readonly most: number }
  /** An object with these keys and no other. */
  | { readonly keys: Readonly<Record<string, Shape>> }

const MAX_NUMBER = 1e18
const MAX_TEXT = 500

/** @returns the path of the first place that is otherwise, such as `.tracks[3].box`; null where all is as it should be */
export function misshapen(value: unknown, shape: Shape, path = ''): string | null {
  if (shape === 'number') return typeof value === 'number' && Math.abs(value) <= MAX_NUMBER ? null : path
  if (shape === 'text') return typeof value === 'string' && value.length <= MAX_TEXT ? null : path
  if (shape === 'flag') return typeof value === 'boolean' ? null : path
  if ('below' in shape)
    return Number.isInteger(value) && Number(value) >= 0 && Number(value) < shape.below ? null : path
  if ('orNull' in shape) return value === null ? null : misshapen(value, shape.orNull, path)
  if ('list' in shape) {
    if (!Array.isArray(value)) return path
    const { list, length = value.length, most = length } = shape
    if (value.length !== length || value.length > most) return path
    return first(value.entries(), ([i, item]) => misshapen(item, list, `${path}[${i}]`))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return path
  const entries = Object.entries(value)
  if ('values' in shape) {
    if (entries.length > shape.most) return path
    return first(entries, ([key, item]) => misshapen(item, shape.values, `${path}.${key}`))
  }
  const { keys } = shape
  const unknown = entries.find(([key]) => !Object.hasOwn(keys, key))
  if (unknown !== undefined) return `${path}.${unknown[0]}`
  return first(Object.entries(keys), ([key, of]) =>
    misshapen(
      Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined,
      of,
      `${path}.${key}`,
    ),
  )
}

/** Keys with numbers. */
export function numbers(...names: readonly string[]): Readonly<Record<string, Shape>> {
  return Object.fromEntries(names.map((name): [string, Shape] => [name, 'number']))
}

function first<T>(items: Iterable<T>, find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item)
    if (found !== null) return found
  }
  return null
}
