import type { PickleValue } from '#lib/weights/pytorch/pickle-values.js'
import { type ByteReader, windowedReader } from '#lib/weights/weights-file.js'

/** A pickle written by hand: texts give their Latin-1 bytes, numbers single bytes. */
export function pickle(...parts: (string | number)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.of(part))),
  )
}

/** Structures as plain arrays, maps and objects, for comparing. */
export function plain(value: PickleValue): unknown {
  if (value === null || typeof value !== 'object') return value
  switch (value.kind) {
    case 'list':
      return value.items.map(plain)
    case 'tuple':
    case 'set':
      return { [value.kind]: value.items.map(plain) }
    case 'dict':
      return Object.fromEntries(value.entries.map(([key, item]) => [String(plain(key)), plain(item)]))
    case 'bytes':
      return { bytes: [...value.bytes] }
    case 'global':
      return { global: value.name }
    case 'persistent':
      return { persistent: plain(value.id) }
    case 'object': {
      const { class: name, args, state, items, entries } = value
      return {
        class: name,
        args: args.map(plain),
        ...(state !== null && { state: plain(state) }),
        ...(items.length > 0 && { items: items.map(plain) }),
        ...(entries.length > 0 && { entries: entries.map((entry) => entry.map(plain)) }),
      }
    }
  }
}

/** Reads bytes that lie in memory. */
export function memoryReader(bytes: Uint8Array): ByteReader {
  return windowedReader(0, bytes.length, (position, length) => bytes.subarray(position, position + length))
}
