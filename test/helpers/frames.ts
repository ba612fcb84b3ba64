import { readdir } from 'node:fs/promises'
import sharp from 'sharp'
import { type Frame, isYuv, type PixelFormat } from '#lib/image/frame.js'
import { YUV_MATRICES, YUV_RANGES } from '#lib/image/yuv.js'
import type { Random } from './random.js'
import { shared } from './shared.js'

const BYTES_PER_PIXEL: Readonly<Record<PixelFormat, number>> = {
  rgb: 3,
  rgba: 4,
  bgr: 3,
  bgra: 4,
  grey: 1,
  nv12: 1,
  i420: 1,
}

/** Noise in blocks; alpha and the gaps between rows are noise, too. */
export function randomFrame(
  rng: Random,
  format: PixelFormat,
  width: number,
  height: number,
  gap: number,
): Frame {
  const stride = width * BYTES_PER_PIXEL[format] + gap
  const data = new Uint8Array(2 * (stride + 2) * (height + 2))
  const block = 1 + rng.int(40)
  let level = 0
  for (let i = 0; i < data.length; i++) {
    if (i % block === 0) level = rng.int(256)
    data[i] = rng.int(3) === 0 ? rng.int(256) : level
  }
  const colour = isYuv(format) && {
    matrix: YUV_MATRICES[rng.int(YUV_MATRICES.length)],
    range: YUV_RANGES[rng.int(YUV_RANGES.length)],
  }
  return { data, format, width, height, stride, ...colour }
}

/** The first pictures of ../shared/data/pictures, as RGB. */
export async function photographs(count: number): Promise<Frame[]> {
  const folder = shared('data/pictures')
  const files = (await readdir(folder)).sort().slice(0, count)
  return Promise.all(
    files.map(async (file): Promise<Frame> => {
      const { data, info } = await sharp(`${folder}/${file}`)
        .removeAlpha()
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true })
      return { data, format: 'rgb', width: info.width, height: info.height }
    }),
  )
}
