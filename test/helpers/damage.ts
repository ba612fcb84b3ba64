import fc from 'fast-check'

/** Values that lengths and offsets go wrong at. */
const EXTREMES = [
  ...[0n, 1n, 0x7fn, 0x80n, 0xffn, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
]

/** A byte of the file, modulo its length: all are equally likely. */
const at = fc.noBias(fc.nat())
const length = fc.integer({ min: 1, max: 64 })

const kind = <Kind extends string>(name: Kind) => fc.constant(name)

const accident = fc.oneof(
  fc.record({ kind: kind('flip'), at, bit: fc.nat(7) }),
  fc.record({ kind: kind('set'), at, value: fc.nat(255) }),
  fc.record({ kind: kind('truncate'), at }),
  fc.record({ kind: kind('cut'), at, length }),
  fc.record({ kind: kind('double'), at, length }),
  fc.record({ kind: kind('copy'), at, length, to: at }),
  fc.record({ kind: kind('insert'), at, bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) }),
  fc.record({
    kind: kind('extreme'),
    at,
    width: fc.constantFrom(1, 2, 4, 8),
    value: fc.constantFrom(...EXTREMES),
  }),
  fc.record({ kind: kind('digit'), at, value: fc.nat(9) }),
)

type Accident = typeof accident extends fc.Arbitrary<infer T> ? T : never

/** What befalls a file: flipped bits, lost, doubled or moved parts, extreme lengths, other digits. */
export const accidents = fc.array(accident, { minLength: 1, maxLength: 4 })

/** A copy to which all of it has happened. */
export function damaged(bytes: Uint8Array, happened: readonly Accident[]): Uint8Array {
  // Not slice(), which copies nothing of a Buffer.
  return happened.reduce(
    (left, each) => (left.length === 0 ? left : after(left, each)),
    Uint8Array.from(bytes),
  )
}

function after(bytes: Uint8Array<ArrayBuffer>, accident: Accident): Uint8Array<ArrayBuffer> {
  const start = accident.at % bytes.length
  const end = 'length' in accident ? Math.min(bytes.length, start + accident.length) : start
  switch (accident.kind) {
    case 'flip':
      bytes[start] ^= 1 << accident.bit
      return bytes
    case 'set':
      bytes[start] = accident.value
      return bytes
    case 'truncate':
      return bytes.slice(0, start)
    case 'cut':
      return Uint8Array.from([...bytes.subarray(0, start), ...bytes.subarray(end)])
    case 'double':
      return Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(start)])
    case 'copy':
      return bytes.copyWithin(accident.to % bytes.length, start, end)
    case 'insert':
      return Uint8Array.from([...bytes.subarray(0, start), ...accident.bytes, ...bytes.subarray(start)])
    case 'extreme':
      for (let i = 0; i < accident.width && start + i < bytes.length; i++) {
        bytes[start + i] = Number((accident.value >> BigInt(8 * i)) & 0xffn)
      }
      return bytes
    case 'digit': {
      const digit = bytes.findIndex((byte, i) => i >= start && byte >= 0x30 && byte <= 0x39)
      if (digit >= 0) bytes[digit] = 0x30 + accident.value
      return bytes
    }
  }
}
