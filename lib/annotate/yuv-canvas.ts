import { colourOf, type Frame, planesOf } from '../image/frame.js'
import { yuvOf } from '../image/yuv.js'
import type { Canvas, Mask } from './canvas.js'
import type { Colour } from './colours.js'

/** Where the samples of one kind lie: `step` bytes apart in a row. */
interface Samples {
  readonly offset: number
  readonly stride: number
  readonly step: number
}

/**
 * Draws into luma and chroma as they are. Four pixels share a sample of chroma, which takes the colour of the last one
 * that is painted.
 */
export class YuvCanvas implements Canvas {
  readonly width: number
  readonly height: number
  readonly #data: Uint8Array | Uint8ClampedArray
  readonly #luma: Samples
  readonly #u: Samples
  readonly #v: Samples
  readonly #samplesOf: (colour: Colour) => readonly [number, number, number]
  /** Samples of the colours so far: a line is thousands of small rectangles. */
  readonly #samples = new Map<Colour, readonly [number, number, number]>()

  constructor(frame: Frame) {
    const [luma, first, second] = planesOf(frame)
    this.width = frame.width
    this.height = frame.height
    this.#data = frame.data
    this.#luma = { ...luma, step: 1 }
    this.#u = { ...first, step: second === undefined ? 2 : 1 }
    this.#v = second === undefined ? { ...first, offset: first.offset + 1, step: 2 } : { ...second, step: 1 }
    const { matrix, range } = colourOf(frame)
    this.#samplesOf = (colour) => yuvOf(colour, matrix, range)
  }

  fill(x1: number, y1: number, x2: number, y2: number, colour: Colour): void {
    const [left, top] = [Math.max(x1, 0), Math.max(y1, 0)]
    const [right, bottom] = [Math.min(x2, this.width), Math.min(y2, this.height)]
    if (left >= right || top >= bottom) return
    const [luma, u, v] = this.#yuv(colour)
    const { offset, stride } = this.#luma
    for (let y = top; y < bottom; y++) {
      const row = offset + y * stride
      for (let at = row + left; at < row + right; at++) this.#data[at] = luma
    }
    for (let y = top >> 1; y <= (bottom - 1) >> 1; y++) {
      for (let x = left >> 1; x <= (right - 1) >> 1; x++) this.#setChroma(x, y, u, v)
    }
  }

  stamp(x: number, y: number, { width, height, alpha }: Mask, colour: Colour): void {
    const [luma, u, v] = this.#yuv(colour)
    const { offset, stride } = this.#luma
    const data = this.#data
    for (let row = Math.max(0, -y); row < Math.min(height, this.height - y); row++) {
      for (let column = Math.max(0, -x); column < Math.min(width, this.width - x); column++) {
        const share = alpha[row * width + column]
        if (share === 0) continue
        const at = offset + (y + row) * stride + x + column
        data[at] += Math.round(((luma - data[at]) * share) / 255)
        if (((y + row) & 1) === 0 && ((x + column) & 1) === 0) {
          this.#blendChroma((x + column) >> 1, (y + row) >> 1, u, v, share)
        }
      }
    }
  }

  #yuv(colour: Colour): readonly [number, number, number] {
    const known = this.#samples.get(colour)
    if (known !== undefined) return known
    const samples = this.#samplesOf(colour)
    this.#samples.set(colour, samples)
    return samples
  }

  #setChroma(x: number, y: number, u: number, v: number): void {
    this.#data[this.#u.offset + y * this.#u.stride + x * this.#u.step] = u
    this.#data[this.#v.offset + y * this.#v.stride + x * this.#v.step] = v
  }

  #blendChroma(x: number, y: number, u: number, v: number, share: number): void {
    const data = this.#data
    const atU = this.#u.offset + y * this.#u.stride + x * this.#u.step
    const atV = this.#v.offset + y * this.#v.stride + x * this.#v.step
    data[atU] += Math.round(((u - data[atU]) * share) / 255)
    data[atV] += Math.round(((v - data[atV]) * share) / 255)
  }
}
