/** Matrices by which RGB becomes luma and chroma: ITU-R BT.601-7, BT.709-6 and BT.2020-2 (non-constant luminance). */
export const YUV_MATRICES = ['bt601', 'bt709', 'bt2020'] as const
export type YuvMatrix = (typeof YUV_MATRICES)[number]

/** Samples of video, luma of 16…235 and chroma of 16…240, or all of 0…255. */
export const YUV_RANGES = ['limited', 'full'] as const
export type YuvRange = (typeof YUV_RANGES)[number]

/** Luma's shares of red and blue; green has the rest. */
const SHARES: Readonly<Record<YuvMatrix, readonly [red: number, blue: number]>> = {
  bt601: [0.299, 0.114],
  bt709: [0.2126, 0.0722],
  bt2020: [0.2627, 0.0593],
}

/** Fraction bits of coefficients: sums of their products with samples stay within 32 bits. */
const FRACTION_BITS = 20
const ONE = 1 << FRACTION_BITS
const HALF = ONE >> 1

/** Whole numbers of 2⁻²⁰, so that the CUDA kernels compute the same bytes (native/cuda/yuv.h). */
export interface YuvCoefficients {
  /** The luma of black. */
  readonly black: number
  readonly luma: number
  readonly redOfV: number
  readonly greenOfU: number
  readonly greenOfV: number
  readonly blueOfU: number
}

export function yuvCoefficients(matrix: YuvMatrix, range: YuvRange): YuvCoefficients {
  const [red, blue] = SHARES[matrix]
  const green = 1 - red - blue
  const limited = range === 'limited'
  const chroma = limited ? 255 / 224 : 1
  const redOfV = 2 * (1 - red) * chroma
  const blueOfU = 2 * (1 - blue) * chroma
  return {
    black: limited ? 16 : 0,
    luma: fixed(limited ? 255 / 219 : 1),
    redOfV: fixed(redOfV),
    greenOfU: fixed((blue / green) * blueOfU),
    greenOfV: fixed((red / green) * redOfV),
    blueOfU: fixed(blueOfU),
  }
}

/** The samples of a colour, each 0…255; the way back of `writeYuv`. */
export function yuvOf(
  [r, g, b]: readonly [r: number, g: number, b: number],
  matrix: YuvMatrix,
  range: YuvRange,
): readonly [y: number, u: number, v: number] {
  const [red, blue] = SHARES[matrix]
  const luma = red * r + (1 - red - blue) * g + blue * b
  const [lumaScale, chromaScale, black] = range === 'limited' ? [219 / 255, 224 / 255, 16] : [1, 1, 0]
  const sample = (value: number) => Math.min(Math.max(Math.round(value), 0), 255)
  return [
    sample(black + lumaScale * luma),
    sample(128 + (chromaScale * (b - luma)) / (2 * (1 - blue))),
    sample(128 + (chromaScale * (r - luma)) / (2 * (1 - red))),
  ]
}

function fixed(value: number): number {
  return Math.floor(value * ONE + 0.5)
}

/** Writes one pixel as R, G, B, each rounded to nearest. */
export function writeYuv(
  rgb: Uint8Array,
  at: number,
  { black, luma, redOfV, greenOfU, greenOfV, blueOfU }: YuvCoefficients,
  y: number,
  u: number,
  v: number,
): void {
  const grey = luma * (y - black) + HALF
  rgb[at] = toByte(grey + redOfV * (v - 128))
  rgb[at + 1] = toByte(grey - greenOfU * (u - 128) - greenOfV * (v - 128))
  rgb[at + 2] = toByte(grey + blueOfU * (u - 128))
}

function toByte(value: number): number {
  const rounded = value >> FRACTION_BITS
  return Math.min(Math.max(rounded, 0), 255)
}
