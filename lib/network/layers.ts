import type { Size } from '../models/levels.js'
import type { ConvPadding, PoolPadding } from '../models/spec.js'
import type { Activation } from '../models/variants.js'

/** Any feature map a network passes around; what else it is, the interpreter decides. */
export interface FeatureMap extends Size {
  readonly channels: number
}

/** A convolution without or with BatchNorm and activation. Parameter names are effdet's state-dict names. */
export interface ConvLayer {
  /** Its tensors are `${name}.weight` and, with `bias`, `${name}.bias`. */
  readonly name: string
  readonly bias?: boolean
  /** Its tensors are `${batchNorm}.weight`, `.bias`, `.running_mean`, `.running_var`. */
  readonly batchNorm?: string
  /** BatchNorm's ε; 1e-3 by default. */
  readonly epsilon?: number
  readonly kernel: 1 | 3 | 5
  readonly stride?: 1 | 2
  readonly padding?: ConvPadding
  /** Output channels; a depthwise convolution keeps its input's. */
  readonly out: number
  readonly depthwise?: boolean
  readonly activation?: Activation
}

/**
 * The vocabulary in which the networks of lib/network are written down once. Interpreters give it meaning:
 * one lists parameters and counts operations, another writes ONNX.
 */
export interface Layers<T extends FeatureMap> {
  conv(x: T, layer: ConvLayer): T
  activate(x: T, activation: Activation): T
  /** Mean over height and width: C×1×1. */
  globalMean(x: T): T
  /** x · σ(gate), the gate being C×1×1. */
  gate(x: T, gate: T): T
  add(a: T, b: T): T
  /** 3×3, stride 2, padded by either rule. */
  maxPool(x: T, padding: ConvPadding, outside: PoolPadding): T
  /** Nearest neighbour, source index = ⌊target index · in / out⌋; `size` is the doubled size or one less. */
  upsample(x: T, size: Size): T
  /** Weighted sum of maps of one shape: weights ReLU(w) / (Σ ReLU(w) + 1e-4), or a plain sum without a name. */
  fuse(inputs: readonly T[], weightsName: string | null): T
  /**
   * The last, pointwise convolution of a head over all levels, N × (cells · anchors) × values: level → y → x →
   * anchor.
   *
   * Tensors: `${name}.weight`, (anchors · values)×C×1×1, and `${name}.bias`.
   */
  output(levels: readonly T[], layer: HeadOutput): void
}

export interface HeadOutput {
  readonly name: string
  /** Name of the network's output. */
  readonly output: 'box_regression' | 'class_logits'
  readonly anchors: number
  /** Values per anchor: 4 for boxes, the number of classes for scores. */
  readonly values: number
}
