import type { Colour } from './colours.js'

/** How much of a colour each place of a rectangle gets: width×height, 0…255. */
export interface Mask {
  readonly width: number
  readonly height: number
  readonly alpha: Uint8Array
}

/** A frame that is drawn into, in its own memory and kind of pixels. What lies outside of it is left out. */
export interface Canvas {
  readonly width: number
  readonly height: number
  /** Paints a rectangle, x1 ≤ x < x2 and y1 ≤ y < y2, in whole pixels. */
  fill(x1: number, y1: number, x2: number, y2: number, colour: Colour): void
  /** Paints through a mask whose upper left corner lies there, in whole pixels. */
  stamp(x: number, y: number, mask: Mask, colour: Colour): void
}
