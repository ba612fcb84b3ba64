import type { Architecture } from '../models/spec.js'
import type { FeatureMap, HeadOutput, Layers } from './layers.js'

/**
 * The class and the box head (paper section 4): separable convolutions shared by all levels, each followed by
 * a BatchNorm of its level's own, and a last one without.
 */
export function heads<T extends FeatureMap>(
  layers: Layers<T>,
  levels: readonly T[],
  architecture: Architecture,
): void {
  const anchors = architecture.anchorsPerCell
  head(layers, levels, architecture, 'box_net', { output: 'box_regression', anchors, values: 4 })
  head(layers, levels, architecture, 'class_net', {
    output: 'class_logits',
    anchors,
    values: architecture.classes,
  })
}

function head<T extends FeatureMap>(
  layers: Layers<T>,
  levels: readonly T[],
  { variant, redundantBias, padding }: Architecture,
  name: string,
  output: Omit<HeadOutput, 'name'>,
): void {
  const depthwise = { kernel: 3, padding: padding.fpn, out: variant.fpnChannels, depthwise: true } as const
  const features = levels.map((level, l) => {
    let x = level
    for (let repeat = 0; repeat < variant.headRepeats; repeat++) {
      x = layers.conv(x, { ...depthwise, name: `${name}.conv_rep.${repeat}.conv_dw` })
      x = layers.conv(x, {
        name: `${name}.conv_rep.${repeat}.conv_pw`,
        bias: redundantBias,
        batchNorm: `${name}.bn_rep.${repeat}.${l}.bn`,
        kernel: 1,
        out: variant.fpnChannels,
        activation: variant.activation,
      })
    }
    return layers.conv(x, { ...depthwise, name: `${name}.predict.conv_dw` })
  })
  layers.output(features, { ...output, name: `${name}.predict.conv_pw` })
}
