import { colourOf, type Frame, isYuv, planesOf } from './frame.js'
import { writeYuv, yuvCoefficients } from './yuv.js'

/** An image as the rest of this folder works on it: RGB, 8 bits, rows without a gap. */
export interface RgbImage {
  /** height × width × 3 bytes. */
  readonly data: Uint8Array | Uint8ClampedArray
  readonly width: number
  readonly height: number
}

/** Offsets of R, G and B within a pixel, and the pixel's bytes. */
const INTERLEAVED = {
  rgb: [0, 1, 2, 3],
  rgba: [0, 1, 2, 4],
  bgr: [2, 1, 0, 3],
  bgra: [2, 1, 0, 4],
  grey: [0, 0, 0, 1],
} as const

/**
 * Turns any frame into RGB. Frames that are so already are not copied.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for a frame that is not what it says (see `planesOf`)
 */
export function toRgb(frame: Frame): RgbImage {
  const { data, format, width, height } = frame
  const planes = planesOf(frame)
  if (format === 'rgb' && planes[0].stride === 3 * width) return { data, width, height }
  const rgb = new Uint8Array(width * height * 3)
  if (isYuv(format)) {
    const { matrix, range } = colourOf(frame)
    const coefficients = yuvCoefficients(matrix, range)
    // NV12 interleaves U and V in one plane; I420 has a plane for each.
    const [luma, u, v] =
      format === 'i420' ? planes : [planes[0], planes[1], { ...planes[1], offset: planes[1].offset + 1 }]
    const step = format === 'i420' ? 1 : 2
    let at = 0
    for (let y = 0; y < height; y++) {
      const lumaRow = luma.offset + y * luma.stride
      const uRow = u.offset + (y >> 1) * u.stride
      const vRow = v.offset + (y >> 1) * v.stride
      for (let x = 0; x < width; x++) {
        const chroma = (x >> 1) * step
        writeYuv(rgb, at, coefficients, data[lumaRow + x], data[uRow + chroma], data[vRow + chroma])
        at += 3
      }
    }
  } else {
    const [red, green, blue, step] = INTERLEAVED[format]
    let at = 0
    for (let y = 0; y < height; y++) {
      let from = y * planes[0].stride
      for (let x = 0; x < width; x++) {
        rgb[at++] = data[from + red]
        rgb[at++] = data[from + green]
        rgb[at++] = data[from + blue]
        from += step
      }
    }
  }
  return { data: rgb, width, height }
}
