/** A JPEG without its segments of a kind, such as 0xee for APP14, Adobe's marker. */
export function withoutSegment(jpeg: Uint8Array, marker: number): Uint8Array {
  const parts: Uint8Array[] = [jpeg.subarray(0, 2)]
  let at = 2
  // Segments up to the start of the scan tell their lengths.
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + (jpeg[at + 2] << 8) + jpeg[at + 3]
    if (jpeg[at + 1] !== marker) parts.push(jpeg.subarray(at, end))
    at = end
  }
  return Buffer.concat([...parts, jpeg.subarray(at)])
}
