import { describe, expect, it } from 'vitest'
import { float32ToFloat16 } from '#lib/base/float16.js'
import { type Frame, PIXEL_FORMATS } from '#lib/image/frame.js'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import type { Size } from '#lib/models/levels.js'
import { NORMALIZATIONS, type Preprocessing, preprocessingOf } from '#lib/models/preprocessing.js'
import { photographs, randomFrame } from '../helpers/frames.js'
import { hasKernels, preprocessCall, runKernels } from '../helpers/kernels.js'
import { random } from '../helpers/random.js'
import { rounds } from '../helpers/rounds.js'
import { hasShared } from '../helpers/shared.js'

interface Case {
  readonly frames: readonly (Frame | null)[]
  readonly input: Size
  readonly how: Preprocessing
  readonly precision: 'float32' | 'float16'
}

const EFFDET = NORMALIZATIONS.map((kind) => preprocessingOf('effdet', kind))
/** Backends are told the fill colour in float32, as which the mean colour becomes 0. */
const ZYLO: Preprocessing = {
  ...preprocessingOf('zylo', 'imagenet'),
  fill: preprocessingOf('zylo', 'imagenet').fill.map(Math.fround) as [number, number, number],
}
const HOW = [...EFFDET, ZYLO]
const FRAMES = rounds({ quick: 100, all: 1000 })

/** What stands where a batch has no frame. */
function nothing({ fill, mean, std }: Preprocessing, { width, height }: Size): Float32Array {
  const values = fill.map((value, i) =>
    Math.fround(Math.fround(value - Math.fround(mean[i])) / Math.fround(std[i])),
  )
  return Float32Array.from({ length: 3 * width * height }, (_, i) => values[Math.floor(i / width / height)])
}

/** What the TypeScript reference makes of it. */
function expected({ frames, input, how, precision }: Case): Float32Array | Uint16Array {
  const each = 3 * input.width * input.height
  const values = new Float32Array(frames.length * each)
  frames.forEach((frame, i) => {
    values.set(frame === null ? nothing(how, input) : preprocess(toRgb(frame), input, how).tensor, i * each)
  })
  return precision === 'float16' ? float32ToFloat16(values) : values
}

/** To the last bit, whose bytes are compared at once. */
function expectEqual(cases: readonly Case[], results: readonly (Float32Array | Uint16Array)[]): void {
  cases.forEach((one, i) => {
    const reference = expected(one)
    if (Buffer.from(reference.buffer).equals(Buffer.from(results[i].buffer))) return
    const at = reference.findIndex((value, k) => !Object.is(value, results[i][k]))
    const sizes = one.frames.map((frame) => frame && `${frame.format} ${frame.width}×${frame.height}`)
    expect.fail(
      `${sizes.join(', ')} into ${one.input.width}×${one.input.height} ${one.how.resize} ${one.precision}: ` +
        `${results[i][at]} instead of ${reference[at]} at ${at}`,
    )
  })
}

async function expectReference(cases: readonly Case[]): Promise<void> {
  const calls = cases.map(({ frames, input, how, precision }) =>
    preprocessCall(frames, input, how, precision),
  )
  expectEqual(cases, await runKernels(calls))
}

describe.skipIf(!hasKernels)('the preprocessing kernel', () => {
  it.each(PIXEL_FORMATS)('is the reference for %s of even and odd sizes', async (format) => {
    const rng = random(7)
    const cases = HOW.flatMap((how): Case[] =>
      (['float32', 'float16'] as const).map((precision) => ({
        frames: [
          randomFrame(rng, format, 64, 48, 0),
          randomFrame(rng, format, 51, 33, 0),
          randomFrame(rng, format, 31, 77, 5),
          null,
          randomFrame(rng, format, 1, 1, 3),
        ],
        input: { width: 72, height: 40 },
        how,
        precision,
      })),
    )
    await expectReference(cases)
  })

  it(`is the reference for ${FRAMES} random sizes and strides, in batches of mixed formats`, async () => {
    const rng = random(20)
    const side = (largest: number) => 1 + Math.floor(largest * rng.float() ** 2)
    let frames = 0
    const cases: Case[] = []
    while (frames < FRAMES) {
      const batch = 1 + rng.int(8)
      frames += batch
      const input = { width: side(100), height: side(100) }
      cases.push({
        frames: Array.from({ length: batch }, () => {
          const format = PIXEL_FORMATS[rng.int(PIXEL_FORMATS.length)]
          return randomFrame(rng, format, side(300), side(300), rng.int(2) * rng.int(40))
        }),
        input,
        how: HOW[rng.int(HOW.length)],
        precision: rng.int(2) === 0 ? 'float32' : 'float16',
      })
    }
    await expectReference(cases)
  })

  it('is the reference for pictures much longer than an input', async () => {
    const rng = random(3)
    const input = { width: 40, height: 40 }
    const frames = [
      // More weights per sample than a block keeps, and more columns.
      randomFrame(rng, 'rgb', 3000, 40, 0),
      randomFrame(rng, 'i420', 1, 3000, 7),
      randomFrame(rng, 'nv12', 2001, 2003, 0),
    ]
    await expectReference([EFFDET[0], ZYLO].map((how) => ({ frames, input, how, precision: 'float32' })))
  })

  it.skipIf(!hasShared)('is the reference for photographs', async () => {
    const frames = await photographs(rounds({ quick: 6, all: 1000 }))
    expect(frames.length).toBeGreaterThan(5)
    const square = (side: number) => ({ width: side, height: side })
    await expectReference([
      { frames, input: square(512), how: EFFDET[0], precision: 'float16' },
      { frames, input: square(512), how: ZYLO, precision: 'float16' },
      { frames, input: square(320), how: EFFDET[2], precision: 'float32' },
    ])
  })
})
