/**
 * Detectors often mistaken for EfficientDet, with other architectures inside. The first that fits is told, so names
 * that only one family has come first.
 */
const FAMILIES: readonly (readonly [pattern: RegExp, family: string])[] = [
  [/(^|\.)neck\.stack_bifpn_convs\./, 'toandaominh1997/EfficientDet.Pytorch'],
  [/(^|\.)bifpn\.\d+\.conv\d_(up|down)\.conv\./, 'signatrix/efficientdet'],
  [/^(module\.)?conv[345]\./, 'signatrix/efficientdet'],
  [/(^|\.)bbox_head\./, 'mmdetection'],
  [/(^|\.)model\.\d+\.(conv|cv\d|m)\./, 'ultralytics (YOLO)'],
  [/(^|\.)backbone\.body\./, 'torchvision'],
]

/** The family that a file's tensor names give away, or null. */
export function foreignFamily(names: readonly string[]): string | null {
  return FAMILIES.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1] ?? null
}
