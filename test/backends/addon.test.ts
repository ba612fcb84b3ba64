import { describe, expect, it } from 'vitest'
import { addon } from '#lib/backends/cpu/addon.js'
import { findLoud } from '#lib/postprocess/candidates.js'
import { hasNative } from '../helpers/native.js'
import { random } from '../helpers/random.js'

describe.skipIf(!hasNative)('findLoud of the addon', () => {
  it('finds what its twin finds, in rooms of any size', () => {
    const rng = random(4)
    for (let round = 0; round < 300; round++) {
      const values = Float32Array.from({ length: rng.int(700) }, () => Math.round(40 * rng.float()) / 4 - 8)
      for (const odd of [Number.NaN, Infinity, -Infinity]) {
        if (values.length > 0 && rng.int(3) === 0) values[rng.int(values.length)] = odd
      }
      // Also thresholds between two float32, at the ends, and equal to values.
      const least = [1.1, 2, -7.9, 1 + 1e-12, 1 - 1e-12, -Infinity, (2 - 2 ** -23) * 2 ** 127][rng.int(7)]
      const from = rng.int(values.length + 1)
      const [found, expected] = [0, 0].map(() => new Uint32Array(1 + rng.int(60)))
      const same = expected.subarray(0, found.length)
      const room = found.subarray(0, same.length)
      const count = addon()!.findLoud(values, from, least, room)
      expect(count).toBe(findLoud(values, from, least, same))
      expect(room.subarray(0, count)).toEqual(same.subarray(0, count))
    }
  })
})
