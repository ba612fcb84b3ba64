import { type Frame, planesOf } from '../image/frame.js'
import type { Canvas, Mask } from './canvas.js'
import type { Colour } from './colours.js'

/** Bytes from one pixel to the next, and where red, green and blue lie in each. */
const LAYOUTS = {
  rgb: { step: 3, order: [0, 1, 2] },
  rgba: { step: 4, order: [0, 1, 2] },
  bgr: { step: 3, order: [2, 1, 0] },
  bgra: { step: 4, order: [2, 1, 0] },
  grey: { step: 1, order: [0] },
} as const

/** Draws into pixels of red, green and blue; into grey ones what they have of luma. Alpha becomes opaque. */
export class RgbCanvas implements Canvas {
  readonly width: number
  readonly height: number
  readonly #data: Uint8Array | Uint8ClampedArray
  readonly #stride: number
  readonly #step: number
  readonly #order: readonly number[]

  constructor(frame: Frame) {
    const [{ stride }] = planesOf(frame)
    const { step, order } = LAYOUTS[frame.format as keyof typeof LAYOUTS]
    this.width = frame.width
    this.height = frame.height
    this.#data = frame.data
    this.#stride = stride
    this.#step = step
    this.#order = order
  }

  fill(x1: number, y1: number, x2: number, y2: number, colour: Colour): void {
    for (let y = Math.max(y1, 0); y < Math.min(y2, this.height); y++) {
      for (let x = Math.max(x1, 0); x < Math.min(x2, this.width); x++) this.#blend(x, y, colour, 255)
    }
  }

  stamp(x: number, y: number, { width, height, alpha }: Mask, colour: Colour): void {
    for (let row = Math.max(0, -y); row < Math.min(height, this.height - y); row++) {
      for (let column = Math.max(0, -x); column < Math.min(width, this.width - x); column++) {
        this.#blend(x + column, y + row, colour, alpha[row * width + column])
      }
    }
  }

  #blend(x: number, y: number, colour: Colour, share: number): void {
    if (share === 0) return
    const at = y * this.#stride + x * this.#step
    const data = this.#data
    for (let i = 0; i < this.#order.length; i++) {
      const value = this.#order.length === 1 ? greyOf(colour) : colour[i]
      const sample = at + this.#order[i]
      data[sample] += Math.round(((value - data[sample]) * share) / 255)
    }
    if (this.#step === 4) data[at + 3] = Math.max(data[at + 3], share)
  }
}

function greyOf([red, green, blue]: Colour): number {
  return Math.round(0.299 * red + 0.587 * green + 0.114 * blue)
}
