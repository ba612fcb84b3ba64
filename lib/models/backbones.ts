/** EfficientNet and EfficientNet-lite: the block list of each size (arXiv:1905.11946, table 1). */

export type BackboneName = `b${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}` | `lite${0 | 1 | 2 | 3 | 4}`

/** Consecutive inverted-bottleneck blocks of one width; only the first of them has the stride. */
export interface Stage {
  readonly repeats: number
  readonly kernel: 3 | 5
  readonly stride: 1 | 2
  /** Expansion of the block's input width; 1 means that there is no expanding convolution. */
  readonly expand: 1 | 6
  readonly channels: number
}

export interface Backbone {
  readonly name: BackboneName
  readonly stemChannels: number
  readonly stages: readonly Stage[]
  /** The lite family has no squeeze-and-excitation. */
  readonly squeezeExcite: boolean
}

/** automl backbone/efficientnet_builder.py:163-168. */
const BASE_STAGES: readonly Stage[] = [
  { repeats: 1, kernel: 3, stride: 1, expand: 1, channels: 16 },
  { repeats: 2, kernel: 3, stride: 2, expand: 6, channels: 24 },
  { repeats: 2, kernel: 5, stride: 2, expand: 6, channels: 40 },
  { repeats: 3, kernel: 3, stride: 2, expand: 6, channels: 80 },
  { repeats: 3, kernel: 5, stride: 1, expand: 6, channels: 112 },
  { repeats: 4, kernel: 5, stride: 2, expand: 6, channels: 192 },
  { repeats: 1, kernel: 3, stride: 1, expand: 6, channels: 320 },
]

/** [width, depth] multipliers. */
const SCALING: Readonly<Record<BackboneName, readonly [number, number]>> = {
  b0: [1.0, 1.0],
  b1: [1.0, 1.1],
  b2: [1.1, 1.2],
  b3: [1.2, 1.4],
  b4: [1.4, 1.8],
  b5: [1.6, 2.2],
  b6: [1.8, 2.6],
  b7: [2.0, 3.1],
  lite0: [1.0, 1.0],
  lite1: [1.0, 1.1],
  lite2: [1.1, 1.2],
  lite3: [1.2, 1.4],
  lite4: [1.4, 1.8],
}

const STEM_CHANNELS = 32

/** Scales a width and rounds it to a multiple of 8, never more than 10 % down (efficientnet_model.py:128-150). */
function scaleChannels(channels: number, width: number): number {
  const scaled = channels * width
  const rounded = Math.max(8, Math.floor((scaled + 4) / 8) * 8)
  return rounded < 0.9 * scaled ? rounded + 8 : rounded
}

export function backbone(name: BackboneName): Backbone {
  const [width, depth] = SCALING[name]
  const lite = name.startsWith('lite')
  const last = BASE_STAGES.length - 1
  return {
    name,
    // The lite family scales neither its stem nor the depth of its first and last stages.
    stemChannels: lite ? STEM_CHANNELS : scaleChannels(STEM_CHANNELS, width),
    stages: BASE_STAGES.map((stage, i) => ({
      ...stage,
      channels: scaleChannels(stage.channels, width),
      repeats: lite && (i === 0 || i === last) ? stage.repeats : Math.ceil(stage.repeats * depth),
    })),
    squeezeExcite: !lite,
  }
}
