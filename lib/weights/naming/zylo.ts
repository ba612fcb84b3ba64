import { backbone } from '../../models/backbones.js'
import type { Variant } from '../../models/variants.js'
import type { Naming } from './naming.js'

/**
 * zylo117/Yet-Another-EfficientDet-Pytorch: blocks are numbered through all stages, convolutions are wrapped (`.conv`), BiFPN nodes are named by level and direction.
 */
export const zylo: Naming = {
  origin: 'zylo',
  description: 'zylo117/Yet-Another-EfficientDet-Pytorch (zylo)',
  stem: 'backbone_net.model._conv_stem.conv.weight',
  roots: ['backbone_net', 'bifpn', 'regressor', 'classifier'],
  fits: () => true,
  nameOf: (tensor, variant) => {
    for (const [pattern, rename] of RULES) {
      const match = pattern.exec(tensor)
      if (match !== null) return rename(match.slice(1), variant)
    }
    return tensor
  },
  isUnused: (name, variant) =>
    name.endsWith('.num_batches_tracked') ||
    // zylo makes fusion weights for every variant and does not use them from D6 on.
    (variant.fusion === 'sum' && /^bifpn\.\d+\.p\d_w[12]$/.test(name)),
}

type Rule = readonly [pattern: RegExp, rename: (parts: string[], variant: Variant) => string]

const RULES: readonly Rule[] = [
  [/^backbone\.conv_stem\.(.+)$/, ([rest]) => `backbone_net.model._conv_stem.conv.${rest}`],
  [/^backbone\.bn1\.(.+)$/, ([rest]) => `backbone_net.model._bn0.${rest}`],
  [/^backbone\.blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)$/, blockTensor],
  [/^fpn\.resample\.3\.conv\.conv\.(.+)$/, ([rest]) => `bifpn.0.p5_to_p6.0.conv.${rest}`],
  [/^fpn\.resample\.3\.conv\.bn\.(.+)$/, ([rest]) => `bifpn.0.p5_to_p6.1.${rest}`],
  [
    /^fpn\.cell\.0\.fnode\.(\d+)\.combine\.resample\.\d+\.conv\.(conv|bn)\.(.+)$/,
    ([node, part, rest], variant) => {
      const { level, down } = nodePlace(Number(node), variant)
      return `bifpn.0.p${level}_down_channel${down ? '' : '_2'}.${part === 'conv' ? '0.conv' : '1'}.${rest}`
    },
  ],
  [
    /^fpn\.cell\.(\d+)\.fnode\.(\d+)\.combine\.edge_weights$/,
    ([cell, node], variant) => {
      const { level, down } = nodePlace(Number(node), variant)
      return `bifpn.${cell}.p${level}_w${down ? 1 : 2}`
    },
  ],
  [
    /^fpn\.cell\.(\d+)\.fnode\.(\d+)\.after_combine\.conv\.(\w+)\.(.+)$/,
    ([cell, node, part, rest], variant) => {
      // zylo's "up" is towards finer maps: the nodes that the paper draws going down.
      const { level, down } = nodePlace(Number(node), variant)
      return `bifpn.${cell}.conv${level}_${down ? 'up' : 'down'}.${separable(part!)}.${rest}`
    },
  ],
  [
    /^(class_net|box_net)\.conv_rep\.(\d+)\.(\w+)\.(.+)$/,
    ([head, repeat, part, rest]) => `${headName(head!)}.conv_list.${repeat}.${separable(part!)}.${rest}`,
  ],
  [
    /^(class_net|box_net)\.bn_rep\.(\d+)\.(\d+)\.bn\.(.+)$/,
    ([head, repeat, level, rest]) => `${headName(head!)}.bn_list.${level}.${repeat}.${rest}`,
  ],
  [
    /^(class_net|box_net)\.predict\.(\w+)\.(.+)$/,
    ([head, part, rest]) => `${headName(head!)}.header.${separable(part!)}.${rest}`,
  ],
]

/** Level and direction of a BiFPN cell's n-th node: P`maxLevel − 1`…P3 going down, then P4…P`maxLevel`. */
function nodePlace(node: number, { maxLevel }: Variant): { level: number; down: boolean } {
  const downs = maxLevel - 3
  return node < downs ? { level: maxLevel - 1 - node, down: true } : { level: 4 + node - downs, down: false }
}

function headName(head: string): string {
  return head === 'class_net' ? 'classifier' : 'regressor'
}

function separable(part: string): string {
  if (part === 'conv_dw') return 'depthwise_conv.conv'
  return part === 'conv_pw' ? 'pointwise_conv.conv' : part
}

function blockTensor([stage, index, part, rest]: string[], variant: Variant): string {
  const { stages } = backbone(variant.backbone)
  const before = stages.slice(0, Number(stage)).reduce((sum, { repeats }) => sum + repeats, 0)
  const parts = stages[Number(stage)]!.expand === 1 ? PARTS_WITHOUT_EXPANSION : PARTS_WITH_EXPANSION
  return `backbone_net.model._blocks.${before + Number(index)}.${parts.get(part!) ?? part}.${rest}`
}

const PARTS_WITHOUT_EXPANSION: ReadonlyMap<string, string> = new Map([
  ['conv_dw', '_depthwise_conv.conv'],
  ['bn1', '_bn1'],
  ['se.conv_reduce', '_se_reduce.conv'],
  ['se.conv_expand', '_se_expand.conv'],
  ['conv_pw', '_project_conv.conv'],
  ['bn2', '_bn2'],
])

const PARTS_WITH_EXPANSION: ReadonlyMap<string, string> = new Map([
  ['conv_pw', '_expand_conv.conv'],
  ['bn1', '_bn0'],
  ['conv_dw', '_depthwise_conv.conv'],
  ['bn2', '_bn1'],
  ['se.conv_reduce', '_se_reduce.conv'],
  ['se.conv_expand', '_se_expand.conv'],
  ['conv_pwl', '_project_conv.conv'],
  ['bn3', '_bn2'],
])
