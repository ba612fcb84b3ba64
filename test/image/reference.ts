import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RgbImage } from '#lib/image/rgb.js'

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'image')

/** A list that test/fixtures/image/make_fixtures.py wrote. */
export function references<T>(name: string): T[] {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8'))
}

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'))
}

export function floatsOf(base64: string): Float32Array {
  return new Float32Array(bytesOf(base64).buffer)
}

/** One byte per 32-bit index: the multiplicative hash of make_fixtures.py. */
function noise(index: number): number {
  let h = Math.imul(index, 2654435761)
  h ^= h >>> 15
  return Math.imul(h, 2246822519) >>> 24
}

/** The picture that make_fixtures.py has under these numbers: noise in blocks of different brightness. */
export function picture(width: number, height: number, seed: number): RgbImage {
  const data = new Uint8Array(width * height * 3)
  let at = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const block = noise((y >> 4) * 997 + (x >> 4) * 31 + channel + seed * 7)
        data[at] = (noise(at + seed * 1000003) * block) >> 8
        at++
      }
    }
  }
  return { data, width, height }
}

/** The largest difference of two lists of one length. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i])
    // NaN must not pass for small.
    if (!(difference <= largest)) largest = difference
  }
  return largest
}
