import type { AnchorConfig } from './anchors.js'
import type { Preprocessing } from './preprocessing.js'
import type { Variant } from './variants.js'

/**
 * `same` – TensorFlow's SAME: the smaller half of the padding first, by the runtime size.
 * `symmetric` – PyTorch's: (kernel − 1) / 2 on each side.
 */
export type ConvPadding = 'same' | 'symmetric'

/** What a max-pool sees outside its input: −∞ (TensorFlow, effdet) or 0 (zylo). */
export type PoolPadding = 'infinity' | 'zero'

export interface Padding {
  readonly backbone: ConvPadding
  readonly fpn: ConvPadding
  readonly pool: PoolPadding
}

/** What the architecture of a network depends on: with it, names and shapes of all parameters are known. */
export interface Architecture {
  readonly variant: Variant
  /** Outputs of the class head per anchor. */
  readonly classes: number
  /** Anchors per cell. */
  readonly anchorsPerCell: number
  /** Whether BiFPN and head convolutions have a bias before their BatchNorm, as TensorFlow's weights do. */
  readonly redundantBias: boolean
  readonly padding: Padding
}

/** An architecture and everything that is needed to use its weights: a model without its weights. */
export interface ModelSpec {
  readonly architecture: Architecture
  readonly anchors: AnchorConfig
  readonly preprocessing: Preprocessing
  /** One name per class, or null where none are given. */
  readonly labels: readonly string[] | null
}

/** The architecture as its paper and TensorFlow's weights have it. */
export function officialArchitecture(variant: Variant, classes = 90): Architecture {
  return {
    variant,
    classes,
    anchorsPerCell: 9,
    redundantBias: true,
    padding: { backbone: 'same', fpn: 'same', pool: 'infinity' },
  }
}
