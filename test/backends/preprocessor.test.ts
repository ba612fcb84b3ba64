import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { lend } from '#lib/backends/cpu/lent-frame.js'
import { nativeCodes, Preprocessor } from '#lib/backends/cpu/preprocessor.js'
import { type Frame, isYuv, PIXEL_FORMATS, type PixelFormat } from '#lib/image/frame.js'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { YUV_MATRICES, YUV_RANGES } from '#lib/image/yuv.js'
import type { Size } from '#lib/models/levels.js'
import { NORMALIZATIONS, type Preprocessing, preprocessingOf } from '#lib/models/preprocessing.js'
import { photographs, randomFrame } from '../helpers/frames.js'
import { hasNative } from '../helpers/native.js'
import { random } from '../helpers/random.js'
import { rounds } from '../helpers/rounds.js'
import { hasShared } from '../helpers/shared.js'

const ZYLO = preprocessingOf('zylo', 'imagenet')
const HOW = [...NORMALIZATIONS.map((kind) => preprocessingOf('effdet', kind)), ZYLO]
const FRAMES = rounds({ quick: 150, all: 1000 })
const SQUARE = { width: 512, height: 512 }

/** To the last bit, whose bytes are compared at once. */
function expectTwin(frame: Frame, input: Size, how: Preprocessing, made: readonly Preprocessor[]): void {
  const twin = preprocess(toRgb(frame), input, how)
  for (const [i, preprocessor] of made.entries()) {
    const { tensor, letterbox } = preprocessor.run(frame)
    expect(letterbox).toEqual(twin.letterbox)
    if (Buffer.from(tensor.buffer).equals(Buffer.from(twin.tensor.buffer))) continue
    const at = twin.tensor.findIndex((value, k) => !Object.is(value, tensor[k]))
    expect.fail(
      `${nativeCodes()[i]}: ${frame.format} ${frame.width}×${frame.height} into ${input.width}×${input.height} ` +
        `${how.resize}: ${tensor[at]} instead of ${twin.tensor[at]} at ${at}`,
    )
  }
}

/** One for each code that can run here. */
const allCodes = (input: Size, how: Preprocessing) =>
  nativeCodes().map((code) => new Preprocessor(input, how, code))

/** A photograph's bytes in another format: channels as they are, luma and chroma of its green, red and blue. */
function inFormat({ data, width, height }: Frame, format: PixelFormat): Frame {
  const at = (x: number, y: number, channel: number) => data[3 * (y * width + x) + channel]
  const bytes: number[] = []
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = [at(x, y, 0), at(x, y, 1), at(x, y, 2)]
      if (format === 'rgba') bytes.push(red, green, blue, 7)
      else if (format === 'bgr') bytes.push(blue, green, red)
      else if (format === 'bgra') bytes.push(blue, green, red, 9)
      else bytes.push(green)
    }
  }
  const chroma = (channel: number) => {
    const samples: number[] = []
    for (let y = 0; y < height; y += 2) for (let x = 0; x < width; x += 2) samples.push(at(x, y, channel))
    return samples
  }
  const [u, v] = isYuv(format) ? [chroma(2), chroma(0)] : [[], []]
  const rest = format === 'nv12' ? u.flatMap((sample, i) => [sample, v[i]]) : [...u, ...v]
  return { data: Uint8Array.from(bytes.concat(rest)), format, width, height }
}

describe.skipIf(!hasNative)('native preprocessing', () => {
  it('has code for this processor', () => {
    expect(nativeCodes().at(-1)).toBe('plain')
  })

  it.each(PIXEL_FORMATS)('is its twin, to the last bit, for %s of even and odd sizes', (format) => {
    const rng = random(7)
    const input = { width: 72, height: 40 }
    for (const how of HOW) {
      const made = allCodes(input, how)
      for (const [width, height, gap] of [
        [64, 48, 0],
        [51, 33, 0],
        [31, 77, 5],
        [72, 40, 0],
        [1, 1, 3],
        [7, 2, 1],
      ]) {
        expectTwin(randomFrame(rng, format, width, height, gap), input, how, made)
      }
    }
  })

  it(`is its twin for ${FRAMES} random formats, sizes and strides`, () => {
    const rng = random(20)
    const side = (largest: number) => 1 + Math.floor(largest * rng.float() ** 2)
    for (let i = 0; i < FRAMES; i++) {
      const input = { width: side(200), height: side(200) }
      const how = HOW[rng.int(HOW.length)]
      const format = PIXEL_FORMATS[rng.int(PIXEL_FORMATS.length)]
      const frame = randomFrame(rng, format, side(400), side(400), rng.int(2) * rng.int(40))
      expectTwin(frame, input, how, allCodes(input, how))
    }
  })

  it('is its twin for pictures that it works on part by part', () => {
    const rng = random(3)
    const input = { width: 40, height: 40 }
    for (const how of [HOW[0], ZYLO]) {
      const made = allCodes(input, how)
      for (const frame of [
        randomFrame(rng, 'rgb', 3001, 40, 0),
        randomFrame(rng, 'bgra', 100_003, 3, 0),
        randomFrame(rng, 'i420', 1, 3000, 7),
        randomFrame(rng, 'nv12', 2001, 2003, 0),
        randomFrame(rng, 'i420', 5003, 9, 3),
        randomFrame(rng, 'grey', 1025, 1024, 1),
      ]) {
        expectTwin(frame, input, how, made)
      }
      // Enlarged, with parts of which each makes many columns.
      const wide = { width: 2600, height: 30 }
      expectTwin(randomFrame(rng, 'nv12', 1300, 7, 0), wide, how, allCodes(wide, how))
    }
  })

  it.skipIf(!hasShared)('is its twin for photographs in all formats', { timeout: 120_000 }, async () => {
    const pictures = await photographs(rounds({ quick: 2, all: 1000 }))
    expect(pictures.length).toBeGreaterThan(1)
    for (const how of [HOW[0], ZYLO]) {
      const made = allCodes(SQUARE, how)
      for (const picture of pictures) {
        for (const format of PIXEL_FORMATS) {
          const frame = format === 'rgb' ? picture : inFormat(picture, format)
          const colours = isYuv(format)
            ? YUV_MATRICES.flatMap((matrix) => YUV_RANGES.map((range) => ({ matrix, range })))
            : [{}]
          for (const colour of colours.slice(0, rounds({ quick: 1, all: 6 }))) {
            expectTwin({ ...frame, ...colour }, SQUARE, how, made)
          }
        }
      }
    }
  })

  it.each(YUV_MATRICES.flatMap((matrix) => YUV_RANGES.map((range) => ({ matrix, range }))))(
    'makes the colours of $matrix, $range',
    (colour) => {
      // Two columns of one U, and every luma in 128 rows; one V a picture. Nothing is resized or normalised.
      const input = { width: 512, height: 128 }
      const as = { resize: 'antialiased', mean: [0, 0, 0], std: [1, 1, 1], fill: [0, 0, 0] } as const
      const made = allCodes(input, as)
      const data = new Uint8Array(512 * 128 + 256 * 64 * 2)
      for (let i = 0; i < 512 * 128; i++) data[i] = 2 * (i >> 9) + (i & 1)
      for (let i = 0; i < 256 * 64; i++) data[512 * 128 + i] = i & 255
      for (let v = 0; v < 256; v += rounds({ quick: 51, all: 1 })) {
        data.fill(v, 512 * 128 + 256 * 64)
        expectTwin({ data, format: 'i420', ...input, ...colour }, input, as, made)
      }
    },
  )

  it('gives one tensor to all calls, and leaves nothing of the picture before', () => {
    const rng = random(5)
    const input = { width: 64, height: 64 }
    const preprocessor = new Preprocessor(input, HOW[0])
    const wide = randomFrame(rng, 'rgb', 200, 50, 0)
    const { tensor } = preprocessor.run(randomFrame(rng, 'rgb', 50, 200, 0))
    expect(preprocessor.run(wide).tensor).toBe(tensor)
    expect(tensor).toEqual(preprocess(toRgb(wide), input, HOW[0]).tensor)
  })

  it('reads a lent frame where it lies, begin and gaps included', () => {
    const rng = random(6)
    const input = { width: 64, height: 64 }
    const preprocessor = new Preprocessor(input, HOW[0])
    for (const format of PIXEL_FORMATS) {
      const whole = randomFrame(rng, format, 90, 41, 3)
      const frame = { ...whole, data: whole.data.subarray(5) }
      const { tensor, letterbox } = preprocessor.run(lend(frame)!)
      expect({ tensor, letterbox }).toEqual(preprocess(toRgb(frame), input, HOW[0]))
    }
  })

  it('refuses a frame that is not what it says', () => {
    const preprocessor = new Preprocessor({ width: 8, height: 8 }, HOW[0])
    const frame: Frame = { data: new Uint8Array(11), format: 'rgb', width: 2, height: 2 }
    expect(() => preprocessor.run(frame)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
  })

  it('says which code the processor lacks', () => {
    expect(() => new Preprocessor(SQUARE, HOW[0], 'vax')).toThrow('This processor cannot run the code vax.')
  })
})

describe('preprocessing', () => {
  it('is done in TypeScript where the addon does not load', async () => {
    const program = `
      import { lend } from '#lib/backends/cpu/lent-frame.js'
      import { nativeCodes, Preprocessor } from '#lib/backends/cpu/preprocessor.js'
      import { preprocess } from '#lib/image/preprocess.js'
      import { preprocessingOf } from '#lib/models/preprocessing.js'
      const [input, how] = [{ width: 20, height: 30 }, preprocessingOf('zylo', 'imagenet')]
      const frame = { data: new Uint8Array(3000).fill(9), format: 'rgb', width: 40, height: 25 }
      const same = new Preprocessor(input, how).run(frame).tensor.join() === preprocess(frame, input, how).tensor.join()
      console.log(JSON.stringify({ codes: nativeCodes(), lent: lend(frame), same }))`
    // Where node-gyp-build looks instead.
    const env = { ...process.env, EFFICIENTDET_TRT_PREBUILD: '/nowhere' }
    const node = [process.execPath, ['--input-type=module', '--eval', program], { env }] as const
    const { stdout } = await promisify(execFile)(...node)
    expect(JSON.parse(stdout)).toEqual({ codes: [], lent: null, same: true })
  })
})
