import type { Size } from './levels.js'
import { levelSizes } from './levels.js'

/** The anchor boxes of one cell; every level and cell has the same, in units of its stride. */
export interface AnchorConfig {
  /** Anchor side at scale 1, in strides. */
  readonly anchorScale: number
  /** Multipliers of `anchorScale`. */
  readonly scales: readonly number[]
  /** [width, height] multipliers of the side. */
  readonly ratios: readonly (readonly [number, number])[]
}

/** Octave scales 2^0, 2^⅓, 2^⅔ (paper section 5.1; automl num_scales = 3). */
export const DEFAULT_SCALES: readonly number[] = [1, 2 ** (1 / 3), 2 ** (2 / 3)]

/** effdet model_config.py:34 and zylo backbone.py:22; automl's √2 ratios differ by 1 %. */
export const DEFAULT_RATIOS: readonly (readonly [number, number])[] = [
  [1.0, 1.0],
  [1.4, 0.7],
  [0.7, 1.4],
]

export function anchorsPerCell(config: AnchorConfig): number {
  return config.scales.length * config.ratios.length
}

/** Number of anchors A over all levels of an input of the given size. */
export function countAnchors(input: Size, maxLevel: number, perCell: number): number {
  return levelSizes(input, maxLevel).reduce((sum, size) => sum + size.height * size.width, 0) * perCell
}

/**
 * All anchors of a network input, A×4 float32: centre y, centre x, height, width, in input pixels, by level → y → x →
 * scale → ratio (automl tf2/anchors.py:117-165).
 *
 * The stride is input / cells as a float: no power of two where the input is not a multiple of 2^level.
 */
export function anchorBoxes(input: Size, maxLevel: number, config: AnchorConfig): Float32Array {
  const perCell = anchorsPerCell(config)
  const boxes = new Float32Array(countAnchors(input, maxLevel, perCell) * 4)
  let at = 0
  for (const level of levelSizes(input, maxLevel)) {
    const strideY = input.height / level.height
    const strideX = input.width / level.width
    for (let y = 0; y < level.height; y++) {
      for (let x = 0; x < level.width; x++) {
        for (const scale of config.scales) {
          for (const [ratioX, ratioY] of config.ratios) {
            boxes[at++] = (y + 0.5) * strideY
            boxes[at++] = (x + 0.5) * strideX
            boxes[at++] = config.anchorScale * scale * strideY * ratioY
            boxes[at++] = config.anchorScale * scale * strideX * ratioX
          }
        }
      }
    }
  }
  return boxes
}
