import { readFileSync } from 'node:fs'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ReadSource, readSource } from '#lib/image/source.js'
import { refusal } from '../helpers/refusal.js'
import { largestDifference } from './reference.js'

const LIMIT = { maxPixels: 1e6 }
const PERSON: Buffer = readFileSync('models/person/person.jpg')
const EOI = Buffer.of(0xff, 0xd9)
const SOS = Buffer.of(0xff, 0xda)
const END = /^The file ends before its end marker, with all pixels there\.$/
const SCAN_HEADER = /^The scan header has parameters that mean nothing\.$/

const less = (file: Buffer, bytes: number) => file.subarray(0, file.length - bytes)
const part = (file: Buffer, fraction: number) => file.subarray(0, Math.floor(file.length * fraction))
const rgbOf = ({ frame }: ReadSource) => (frame as { data: Uint8Array }).data

/** The last coefficient of a scan of three components becomes 0 instead of 63. */
function flawed(jpeg: Buffer): Buffer {
  const copy = Buffer.from(jpeg)
  const at = copy.lastIndexOf(SOS) + 12
  expect(copy[at]).toBe(0x3f)
  copy[at] = 0
  return copy
}

let whole: Uint8Array
let progressive: Buffer
beforeAll(async () => {
  whole = rgbOf(await readSource(PERSON, LIMIT))
  progressive = await sharp(PERSON).jpeg({ progressive: true }).toBuffer()
})

describe('A JPEG with all its pixels', () => {
  it('is taken without a warning where nothing is wrong, whatever follows its end', async () => {
    for (const file of [PERSON, Buffer.concat([PERSON, Buffer.alloc(5000, 7)])]) {
      const read = await readSource(file, LIMIT)
      expect(read.warnings).toEqual([])
      expect(largestDifference(rgbOf(read), whole)).toBe(0)
    }
  })

  it.each([
    ['3F is 00 in its scan header', () => flawed(PERSON), [SCAN_HEADER]],
    ['its end marker is missing', () => less(PERSON, 2), [END]],
    ['half of its end marker is missing', () => less(PERSON, 1), [END]],
    ['both are so', () => flawed(less(PERSON, 2)), [SCAN_HEADER, END]],
    [
      'bytes lie between its segments',
      () => Buffer.concat([PERSON.subarray(0, 2), Buffer.from('abc'), PERSON.subarray(2)]),
      [/^Bytes that belong to nothing were left out\.$/],
    ],
  ])('is taken with a warning where %s', async (_, file, warnings) => {
    const read = await readSource(file(), LIMIT)
    expect(read.warnings).toEqual(warnings.map((warning) => expect.stringMatching(warning)))
    expect(largestDifference(rgbOf(read), whole)).toBe(0)
  })

  it('is taken with a warning where a progressive one lacks its end marker', async () => {
    const [cut, uncut] = [await readSource(less(progressive, 2), LIMIT), await readSource(progressive, LIMIT)]
    expect(cut.warnings).toEqual([expect.stringMatching(END)])
    expect(largestDifference(rgbOf(cut), rgbOf(uncut))).toBe(0)
  })
})

/** The start of the tables of the last scan, which refines what the earlier ones gave. */
const lastScan = (jpeg: Buffer) => jpeg.lastIndexOf(Buffer.of(0xff, 0xc4), jpeg.lastIndexOf(SOS))

const DAMAGED: [string, () => Buffer][] = [
  ['ends after 60 %', () => part(PERSON, 0.6)],
  ['ends after 60 %, with an end marker', () => Buffer.concat([part(PERSON, 0.6), EOI])],
  ['lacks the last six bytes', () => less(PERSON, 6)],
  ['lacks the last six bytes, with an end marker', () => Buffer.concat([less(PERSON, 6), EOI])],
  ['lacks a part and has a flawed scan header', () => flawed(part(PERSON, 0.9))],
  ['ends after 60 %, progressive', () => part(progressive, 0.6)],
  ['ends before its last scan, progressive', () => progressive.subarray(0, lastScan(progressive))],
  ['has 40 other bytes in the middle', () => Buffer.from(PERSON).fill(0x55, 56_940, 56_980)],
]

describe('A JPEG without some of its pixels', () => {
  it.each(DAMAGED)('is refused where it %s, and told how to take it', async (_, file) => {
    for (const options of [LIMIT, { ...LIMIT, damaged: 'refuse' } as const]) {
      await expect(readSource(file(), options)).rejects.toThrow(
        refusal(
          'ERR_IMAGE',
          /^The picture cannot be decoded \(.+\)\. .+ damaged: 'accept' \(--damaged accept\)\.$/,
        ),
      )
    }
  })

  it.each(DAMAGED)('is taken on request with a warning where it %s', async (_, file) => {
    const read = await readSource(file(), { ...LIMIT, damaged: 'accept' })
    expect(read.warnings).toEqual([
      expect.stringMatching(/^The file is damaged \(.+\): pixels are missing or wrong\.$/),
    ])
    expect([read.frame.width, read.frame.height]).toEqual([640, 424])
    // The first rows were there.
    const top = 640 * 3 * 8
    expect(largestDifference(rgbOf(read).subarray(0, top), whole.subarray(0, top))).toBeLessThan(80)
    expect(largestDifference(rgbOf(read), whole)).toBeGreaterThan(0)
  })

  it('is refused all the same where nothing of it can be decoded', async () => {
    for (const bytes of [PERSON.subarray(0, 3000), Buffer.from('no JPEG at all'), Buffer.alloc(0)]) {
      await expect(readSource(bytes, { ...LIMIT, damaged: 'accept' })).rejects.toThrow(
        refusal('ERR_IMAGE', /./),
      )
    }
  })
})

describe('Other formats', () => {
  const encoded = sharp(PERSON).resize(64)

  it('PNG and GIF that lack only their end are taken with a warning', async () => {
    for (const [file, end] of [
      [await encoded.clone().png().toBuffer(), 12],
      [await encoded.clone().gif().toBuffer(), 1],
    ] as const) {
      const uncut = await readSource(file, LIMIT)
      expect(uncut.warnings).toEqual([])
      const cut = await readSource(less(file, end), LIMIT)
      expect(cut.warnings).toEqual([expect.stringMatching(END)])
      expect(largestDifference(rgbOf(cut), rgbOf(uncut))).toBe(0)
    }
  })

  it('TIFF with a damaged tile is refused, and taken on request', async () => {
    const tiff = await sharp(PERSON).tiff({ compression: 'lzw', tile: true }).toBuffer()
    tiff.fill(0x55, tiff.length >> 1, (tiff.length >> 1) + 40)
    await expect(readSource(tiff, LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /cannot be decoded/))
    const { warnings } = await readSource(tiff, { ...LIMIT, damaged: 'accept' })
    expect(warnings).toEqual([expect.stringMatching(/^The file is damaged/)])
  })

  it('PNG of which rows are missing is refused, and taken on request', async () => {
    const png = part(await encoded.clone().png().toBuffer(), 0.6)
    await expect(readSource(png, LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /damaged: 'accept'/))
    const { warnings } = await readSource(png, { ...LIMIT, damaged: 'accept' })
    expect(warnings).toEqual([expect.stringMatching(/^The file is damaged/)])
  })
})
