/** Batches that an engine is tuned for: powers of two up to 32, and its largest (native/include/efficientdet_backend.h). */
export function profileBatchSizesUpTo(maxBatchSize: number): number[] {
  return [...[1, 2, 4, 8, 16, 32].filter((size) => size < maxBatchSize), maxBatchSize]
}
