import type { Size } from '../models/levels.js'

/** Where an image lies in the network's input: at the top left, scaled by one factor for both axes. */
export interface Letterbox extends Size {
  /** Input pixels per source pixel; box coordinates are divided by it to get back to the source. */
  readonly scale: number
}

/**
 * Fits an image into an input. Both sides are truncated to whole pixels, as all trainers do, and are at
 * least 1, so that a hair-thin image stays one.
 */
export function letterbox(source: Size, input: Size): Letterbox {
  const scale = Math.min(input.height / source.height, input.width / source.width)
  return {
    scale,
    height: Math.max(1, Math.trunc(source.height * scale)),
    width: Math.max(1, Math.trunc(source.width * scale)),
  }
}
