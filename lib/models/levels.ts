/** Height and width in pixels or cells. */
export interface Size {
  readonly height: number
  readonly width: number
}

/** A stride-2 layer with either padding rule: n → ⌈n/2⌉ (automl: (n − 1) // 2 + 1). */
export function halved(size: Size): Size {
  return { height: Math.ceil(size.height / 2), width: Math.ceil(size.width / 2) }
}

/** Feature sizes of P3…P`maxLevel` for a network input of the given size. */
export function levelSizes(input: Size, maxLevel: number): Size[] {
  const sizes: Size[] = []
  let size = input
  for (let level = 1; level <= maxLevel; level++) {
    size = halved(size)
    if (level >= 3) sizes.push(size)
  }
  return sizes
}
