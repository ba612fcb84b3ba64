import type { Backbone, Stage } from '../models/backbones.js'
import type { ConvPadding } from '../models/spec.js'
import type { Activation } from '../models/variants.js'
import type { FeatureMap, Layers } from './layers.js'

/** Squeeze to a quarter of the block's INPUT width, not of its expanded one (efficientnet_model.py:335-339). */
const SQUEEZE_RATIO = 0.25

/**
 * BatchNorm's ε goes with the padding: timm made its symmetric backbones with PyTorch's default (1e-5), and those
 * with TensorFlow's padding, as their weights, with TensorFlow's (1e-3).
 */
const EPSILON: Readonly<Record<ConvPadding, number>> = { same: 1e-3, symmetric: 1e-5 }

interface Context<T extends FeatureMap> {
  readonly layers: Layers<T>
  readonly backbone: Backbone
  readonly activation: Activation
  readonly padding: ConvPadding
}

/**
 * EfficientNet up to its last block; the classifier's head convolution is not part of a detector.
 * Returns P3, P4, P5: the last maps of reduction 8, 16 and 32.
 */
export function efficientNet<T extends FeatureMap>(
  layers: Layers<T>,
  images: T,
  backbone: Backbone,
  activation: Activation,
  padding: ConvPadding,
): [p3: T, p4: T, p5: T] {
  const context = { layers, backbone, activation, padding }
  const epsilon = EPSILON[padding]
  let x = layers.conv(images, {
    name: 'backbone.conv_stem',
    batchNorm: 'backbone.bn1',
    epsilon,
    kernel: 3,
    stride: 2,
    padding,
    out: backbone.stemChannels,
    activation,
  })
  const taps: T[] = []
  backbone.stages.forEach((stage, s) => {
    if (stage.stride === 2) taps.push(x)
    for (let i = 0; i < stage.repeats; i++) {
      x = block(context, x, `backbone.blocks.${s}.${i}`, stage, i === 0 ? stage.stride : 1)
    }
  })
  // Taps hold reductions 2, 4, 8, 16.
  return [taps[2]!, taps[3]!, x]
}

/** An inverted bottleneck (MBConv): expand, depthwise, squeeze-and-excite, project, add where shapes allow. */
function block<T extends FeatureMap>(
  { layers, backbone, activation, padding }: Context<T>,
  input: T,
  name: string,
  stage: Stage,
  stride: 1 | 2,
): T {
  // timm numbers the BatchNorms by position, and a block without expansion calls its projection conv_pw.
  const expands = stage.expand > 1
  const [expandBn, depthwiseBn, projectBn] = expands ? ['bn1', 'bn2', 'bn3'] : ['', 'bn1', 'bn2']
  const width = input.channels * stage.expand
  const epsilon = EPSILON[padding]
  let x = input
  if (expands) {
    x = layers.conv(x, {
      name: `${name}.conv_pw`,
      batchNorm: `${name}.${expandBn}`,
      epsilon,
      kernel: 1,
      out: width,
      activation,
    })
  }
  x = layers.conv(x, {
    name: `${name}.conv_dw`,
    batchNorm: `${name}.${depthwiseBn}`,
    epsilon,
    kernel: stage.kernel,
    stride,
    padding,
    out: width,
    depthwise: true,
    activation,
  })
  if (backbone.squeezeExcite) {
    const squeezed = Math.max(1, Math.floor(input.channels * SQUEEZE_RATIO))
    x = squeezeExcite(layers, x, `${name}.se`, squeezed, activation)
  }
  x = layers.conv(x, {
    name: expands ? `${name}.conv_pwl` : `${name}.conv_pw`,
    batchNorm: `${name}.${projectBn}`,
    epsilon,
    kernel: 1,
    out: stage.channels,
  })
  return stride === 1 && input.channels === stage.channels ? layers.add(x, input) : x
}

function squeezeExcite<T extends FeatureMap>(
  layers: Layers<T>,
  x: T,
  name: string,
  squeezed: number,
  activation: Activation,
): T {
  const reduced = layers.conv(layers.globalMean(x), {
    name: `${name}.conv_reduce`,
    bias: true,
    kernel: 1,
    out: squeezed,
    activation,
  })
  const gate = layers.conv(reduced, { name: `${name}.conv_expand`, bias: true, kernel: 1, out: x.channels })
  return layers.gate(x, gate)
}
