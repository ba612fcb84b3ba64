import type { Random } from './random.js'

/** Values that lengths and offsets go wrong at, written over any place in any width. */
const EXTREMES = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn]
const WIDE_EXTREMES = [...EXTREMES, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]

/** A damaged copy: one to four accidents, of flipped bits, lost, doubled or moved parts, extreme lengths. */
export function mutate(bytes: Uint8Array, rng: Random): Uint8Array {
  // Not slice(), which copies nothing of a Buffer.
  let result: Uint8Array = Uint8Array.from(bytes)
  const accidents = 1 + rng.int(4)
  for (let i = 0; i < accidents && result.length > 0; i++) {
    result = ACCIDENTS[rng.int(ACCIDENTS.length)](result, rng)
  }
  return result
}

const ACCIDENTS: readonly ((bytes: Uint8Array, rng: Random) => Uint8Array)[] = [
  function flipBit(bytes, rng) {
    bytes[rng.int(bytes.length)] ^= 1 << rng.int(8)
    return bytes
  },
  function setByte(bytes, rng) {
    bytes[rng.int(bytes.length)] = rng.int(256)
    return bytes
  },
  function truncate(bytes, rng) {
    return bytes.slice(0, rng.int(bytes.length))
  },
  function cut(bytes, rng) {
    const [start, end] = range(bytes, rng)
    return Uint8Array.from([...bytes.subarray(0, start), ...bytes.subarray(end)])
  },
  function double(bytes, rng) {
    const [start, end] = range(bytes, rng)
    return Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(start)])
  },
  function copyOver(bytes, rng) {
    const [start, end] = range(bytes, rng)
    bytes.copyWithin(rng.int(bytes.length), start, end)
    return bytes
  },
  function insert(bytes, rng) {
    const at = rng.int(bytes.length)
    const noise = Array.from({ length: 1 + rng.int(8) }, () => rng.int(256))
    return Uint8Array.from([...bytes.subarray(0, at), ...noise, ...bytes.subarray(at)])
  },
  function extremeLength(bytes, rng) {
    const width = 1 << rng.int(4)
    const values = width === 8 ? WIDE_EXTREMES : EXTREMES
    const value = values[rng.int(values.length)]
    const at = rng.int(bytes.length)
    for (let i = 0; i < width && at + i < bytes.length; i++) {
      bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn)
    }
    return bytes
  },
  function otherDigit(bytes, rng) {
    const digits = [...bytes.keys()].filter((i) => bytes[i] >= 0x30 && bytes[i] <= 0x39)
    if (digits.length > 0) bytes[digits[rng.int(digits.length)]] = 0x30 + rng.int(10)
    return bytes
  },
]

/** A part of at most 64 bytes. */
function range(bytes: Uint8Array, rng: Random): [start: number, end: number] {
  const start = rng.int(bytes.length)
  return [start, Math.min(bytes.length, start + 1 + rng.int(64))]
}
