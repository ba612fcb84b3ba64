import { type Random, random } from '../helpers/random.js'

export { random }

/** Longer inputs find nothing more, more slowly. */
const LONGEST = 16_384

/** Values that lengths and offsets go wrong at. */
const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 64n - 1n,
]

type Mutation = (bytes: Buffer, rng: Random) => Buffer

/** Damage (test/helpers/damage.ts draws the same kinds, and can shrink them, a hundred times more slowly). */
const MUTATIONS: readonly Mutation[] = [
  (bytes, rng) => written(bytes, rng, Buffer.of(bytes[rng.int(bytes.length)] ^ (1 << rng.int(8)))),
  (bytes, rng) => written(bytes, rng, Buffer.of(rng.int(256))),
  (bytes, rng) => written(bytes, rng, Buffer.from(String(rng.int(10)))),
  (bytes, rng) => {
    const value = Buffer.alloc(8)
    value.writeBigUInt64LE(EXTREMES[rng.int(EXTREMES.length)])
    return written(bytes, rng, value.subarray(0, 1 << rng.int(4)))
  },
  (bytes, rng) => bytes.subarray(0, rng.int(bytes.length)),
  (bytes, rng) => {
    const [start, end] = range(bytes, rng)
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
  },
  (bytes, rng) => inserted(bytes, rng, bytes.subarray(...range(bytes, rng))),
  (bytes, rng) => written(bytes, rng, bytes.subarray(...range(bytes, rng))),
]

/** A new input from an old one: damage, pieces that the format knows, and parts of another. */
export function derived(
  input: Uint8Array,
  other: Uint8Array,
  tokens: readonly string[],
  rng: Random,
): Uint8Array {
  let result: Buffer = Buffer.from(input)
  const steps = 1 + rng.int(6)
  for (let step = 0; step < steps; step++) {
    const kind = rng.int(4)
    const token = Buffer.from(tokens[rng.int(tokens.length)], 'latin1')
    if (kind === 0) result = inserted(result, rng, token)
    else if (kind === 1) result = inserted(result, rng, Buffer.from(other).subarray(...range(other, rng)))
    else if (result.length > 0) result = MUTATIONS[rng.int(MUTATIONS.length)](result, rng)
  }
  return result.subarray(0, LONGEST)
}

function inserted(bytes: Buffer, rng: Random, piece: Buffer): Buffer {
  const at = rng.int(bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
}

function written(bytes: Buffer, rng: Random, piece: Buffer): Buffer {
  const at = rng.int(bytes.length)
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)])
}

/** A part of at most 128 bytes. */
function range(bytes: Uint8Array, rng: Random): [start: number, end: number] {
  const start = rng.int(bytes.length + 1)
  return [start, Math.min(bytes.length, start + 1 + rng.int(128))]
}
