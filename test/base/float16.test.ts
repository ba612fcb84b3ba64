import { describe, expect, it } from 'vitest'

import { float16ToFloat32, float32ToFloat16 } from '#lib/base/float16.js'

const ALL = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits)

/** The value of half precision bits by the definition in IEEE 754, without any bit trick. */
function halfValue(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1
  const exponent = Math.floor(bits / 1024) % 32
  const fraction = bits % 1024
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const round = (value: number) => float32ToFloat16(Float32Array.of(value))[0]

/** The float32 next to a positive one. */
function neighbour(value: number, step: 1 | -1): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)
  bits[0] += step
  return new Float32Array(bits.buffer)[0]
}

describe('float16ToFloat32', () => {
  it('gives the value of every half number', () => {
    expect([...float16ToFloat32(ALL)]).toEqual([...ALL].map(halfValue))
  })
})

describe('float32ToFloat16', () => {
  it('gives back every half number that was widened', () => {
    const numbers = ALL.filter((bits) => !Number.isNaN(halfValue(bits)))
    expect(float32ToFloat16(float16ToFloat32(numbers))).toEqual(numbers)
  })

  it('keeps NaN a NaN', () => {
    for (const bits of [0x7fc00000, 0x7f800001, 0xffffffff, 0x7f802000]) {
      const half = float32ToFloat16(new Float32Array(Uint32Array.of(bits).buffer))
      expect(float16ToFloat32(half)[0]).toBeNaN()
    }
  })

  it('rounds to the nearest and ties to even between all neighbours', () => {
    const wrong: string[] = []
    const check = (value: number, expected: number) => {
      if (round(value) !== expected) wrong.push(`${value} became ${round(value)}, not ${expected}`)
      if (round(-value) !== expected + 0x8000) wrong.push(`-${value}`)
    }
    for (let bits = 0; bits < 0x7bff; bits++) {
      const middle = (halfValue(bits) + halfValue(bits + 1)) / 2
      check(neighbour(middle, -1), bits)
      check(middle, bits % 2 === 0 ? bits : bits + 1)
      check(neighbour(middle, 1), bits + 1)
    }
    expect(wrong).toEqual([])
  })

  it('overflows to Infinity from 65520 on', () => {
    expect(round(neighbour(65520, -1))).toBe(0x7bff)
    expect(round(65520)).toBe(0x7c00)
    expect(round(3.4e38)).toBe(0x7c00)
    expect(round(-1e5)).toBe(0xfc00)
  })

  it('underflows to signed zero', () => {
    expect(round(1e-45)).toBe(0)
    expect(round(-(2 ** -26))).toBe(0x8000)
    expect(round(-0)).toBe(0x8000)
  })

  it('reads the part of a buffer that a view shows', () => {
    const values = Float32Array.of(9, 1, -2, 9)
    expect([...float32ToFloat16(values.subarray(1, 3))]).toEqual([0x3c00, 0xc000])
  })
})
