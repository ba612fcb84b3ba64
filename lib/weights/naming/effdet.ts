import type { Naming } from './naming.js'

/** rwightman/efficientdet-pytorch: our own names. */
export const effdet: Naming = {
  origin: 'effdet',
  description: 'rwightman/efficientdet-pytorch (effdet)',
  stem: 'backbone.conv_stem.weight',
  roots: ['backbone', 'fpn', 'class_net', 'box_net'],
  fits: (names) => !effdetLevelFirst.fits(names),
  nameOf: (tensor) => tensor,
  isUnused: (name) => name.endsWith('.num_batches_tracked'),
}

/** The same with `head_bn_level_first`: the heads' BatchNorms are listed by level, then by repeat. */
export const effdetLevelFirst: Naming = {
  ...effdet,
  description: 'rwightman/efficientdet-pytorch (effdet), head BatchNorms level first',
  fits: (names) => names.has('class_net.bn_rep.0.0.weight'),
  nameOf: (tensor) => tensor.replace(/^(class_net|box_net)\.bn_rep\.(\d+)\.(\d+)\.bn\./, '$1.bn_rep.$3.$2.'),
}
