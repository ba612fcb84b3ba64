/** Red, green and blue, 0…255. */
export type Colour = readonly [red: number, green: number, blue: number]

export const BLACK: Colour = [0, 0, 0]
export const WHITE: Colour = [255, 255, 255]

/** Colours that differ in hue and lightness, and stand out from photographs. */
const PALETTE: readonly Colour[] = [
  [255, 59, 48],
  [52, 199, 89],
  [10, 132, 255],
  [255, 214, 10],
  [191, 90, 242],
  [255, 159, 10],
  [100, 210, 255],
  [255, 55, 95],
  [162, 255, 0],
  [0, 255, 208],
]

/** The colour of a class or track. */
export function colourOf(number: number): Colour {
  return PALETTE[number % PALETTE.length]
}
