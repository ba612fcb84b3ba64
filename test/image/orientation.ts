/** Where the pixel shown at x, y of a width × height picture is stored (EXIF 2.3, tag 274). */
const STORED: Readonly<
  Record<number, (x: number, y: number, w: number, h: number) => [x: number, y: number]>
> = {
  1: (x, y) => [x, y],
  2: (x, y, w) => [w - 1 - x, y],
  3: (x, y, w, h) => [w - 1 - x, h - 1 - y],
  4: (x, y, _, h) => [x, h - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, w) => [y, w - 1 - x],
  7: (x, y, w, h) => [h - 1 - y, w - 1 - x],
  8: (x, y, _, h) => [h - 1 - y, x],
}

/** The pixels that a file of this orientation stores so that a viewer shows the given RGB picture. */
export function storedAs(
  orientation: number,
  { data, width, height }: { data: Uint8Array; width: number; height: number },
): { data: Uint8Array; width: number; height: number } {
  const [storedWidth, storedHeight] = orientation > 4 ? [height, width] : [width, height]
  const stored = new Uint8Array(data.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [storedX, storedY] = STORED[orientation](x, y, width, height)
      const from = 3 * (y * width + x)
      stored.set(data.subarray(from, from + 3), 3 * (storedY * storedWidth + storedX))
    }
  }
  return { data: stored, width: storedWidth, height: storedHeight }
}
