/** Detectors that go by EfficientDet's name, or are often mistaken for one, with other architectures inside. */
const FOREIGN: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^neck\.stack_bifpn_convs\./, 'toandaominh1997/EfficientDet.Pytorch'],
  [/^(backbone|neck|bbox_head)\..*(stack_bifpn|retina_cls|retina_reg|bifpn\.stack)/, 'mmdetection'],
  [/^bbox_head\./, 'mmdetection'],
  [/^(module\.)?(conv3|conv4|conv5|bifpn\.\d+\.conv\d_(up|down)\.conv)\./, 'signatrix/efficientdet'],
  [/^(module\.)?backbone_net\.model\._conv_stem\.weight$/, 'signatrix/efficientdet'],
  [/^model\.\d+\.(conv|cv\d|m)\./, 'ultralytics (YOLO)'],
  [/^(module\.)?backbone\.body\./, 'torchvision'],
]

/** The family that a file's tensor names give away, or null. */
export function foreignFamily(names: Iterable<string>): string | null {
  for (const name of names) {
    for (const [pattern, family] of FOREIGN) if (pattern.test(name)) return family
  }
  return null
}
