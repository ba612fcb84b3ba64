import type { Size } from '../models/levels.js'
import type { Preprocessing } from '../models/preprocessing.js'
import { resizeAntialiased } from './antialiased.js'
import { resizeBilinear } from './bilinear.js'
import { type Letterbox, letterbox } from './letterbox.js'
import type { RgbImage } from './rgb.js'

export interface NetworkInput {
  /** 1×3×H×W: normalised R, G and B planes. */
  readonly tensor: Float32Array
  readonly letterbox: Letterbox
}

/**
 * Turns an image into network input the way the weights' trainer did: scale into the input, fill the rest,
 * normalise. This is the oracle of the CUDA kernel.
 */
export function preprocess(image: RgbImage, input: Size, how: Preprocessing): NetworkInput {
  const fitted = letterbox(image, input)
  const resized =
    how.resize === 'antialiased' ? resizeAntialiased(image, fitted).data : resizeBilinear(image, fitted)
  const plane = input.height * input.width
  const tensor = new Float32Array(3 * plane)
  for (let channel = 0; channel < 3; channel++) {
    const normalise = normaliser(how.mean[channel], how.std[channel])
    const values = tensor.subarray(channel * plane, (channel + 1) * plane)
    values.fill(normalise(how.fill[channel]))
    // 8-bit samples have but 256 normalised values.
    const table =
      resized instanceof Float32Array ? null : Float32Array.from({ length: 256 }, (_, i) => normalise(i))
    let from = channel
    for (let y = 0; y < fitted.height; y++) {
      const row = y * input.width
      for (let x = 0; x < fitted.width; x++) {
        values[row + x] = table === null ? normalise(resized[from]) : table[resized[from]]
        from += 3
      }
    }
  }
  return { tensor, letterbox: fitted }
}

/** (value − mean) / std, rounded to float32 at each step as PyTorch does. */
export function normaliser(mean: number, std: number): (value: number) => number {
  const [roundedMean, roundedStd] = [Math.fround(mean), Math.fround(std)]
  return (value) => Math.fround(Math.fround(value - roundedMean) / roundedStd)
}
