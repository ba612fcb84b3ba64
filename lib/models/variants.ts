import type { BackboneName } from './backbones.js'
import type { Size } from './levels.js'
import type { Normalization } from './preprocessing.js'

export type Activation = 'swish' | 'relu6'

/** One size of EfficientDet: everything that compound scaling (paper section 4, table 1) decides. */
export interface Variant {
  readonly name: VariantName
  /** Height and width of the native network input, in pixels. */
  readonly inputSize: number
  readonly backbone: BackboneName
  /** Channels of every BiFPN level and of both heads. */
  readonly fpnChannels: number
  /** How many BiFPN cells follow one another. */
  readonly fpnCells: number
  /** Separable convolutions in each head before its last one. */
  readonly headRepeats: number
  /** Pyramid levels are P3…P`maxLevel`. */
  readonly maxLevel: 7 | 8
  /** Anchor side at octave 0, in strides. */
  readonly anchorScale: number
  /** `fastattn`: learned non-negative weights, normalised by their sum; `sum`: plain addition. */
  readonly fusion: 'fastattn' | 'sum'
  readonly activation: Activation
  readonly normalization: Normalization
}

export const VARIANT_NAMES = [
  'd0',
  'd1',
  'd2',
  'd3',
  'd4',
  'd5',
  'd6',
  'd7',
  'd7x',
  'lite0',
  'lite1',
  'lite2',
  'lite3',
  'lite3x',
  'lite4',
] as const
export type VariantName = (typeof VARIANT_NAMES)[number]

/** The sizes as google/automl's hparams_config.py (lines 301-470) has them. */
const TABLE = [
  // name, input, backbone, fpn channels, cells, head repeats, max level, anchor scale, fusion
  ['d0', 512, 'b0', 64, 3, 3, 7, 4, 'fastattn'],
  ['d1', 640, 'b1', 88, 4, 3, 7, 4, 'fastattn'],
  ['d2', 768, 'b2', 112, 5, 3, 7, 4, 'fastattn'],
  ['d3', 896, 'b3', 160, 6, 4, 7, 4, 'fastattn'],
  ['d4', 1024, 'b4', 224, 7, 4, 7, 4, 'fastattn'],
  ['d5', 1280, 'b5', 288, 7, 4, 7, 4, 'fastattn'],
  ['d6', 1280, 'b6', 384, 8, 5, 7, 4, 'sum'],
  ['d7', 1536, 'b6', 384, 8, 5, 7, 5, 'sum'],
  ['d7x', 1536, 'b7', 384, 8, 5, 8, 4, 'sum'],
  ['lite0', 320, 'lite0', 64, 3, 3, 7, 3, 'sum'],
  ['lite1', 384, 'lite1', 88, 4, 3, 7, 3, 'sum'],
  ['lite2', 448, 'lite2', 112, 5, 3, 7, 3, 'sum'],
  ['lite3', 512, 'lite3', 160, 6, 4, 7, 4, 'sum'],
  ['lite3x', 640, 'lite3', 200, 6, 4, 7, 3, 'sum'],
  ['lite4', 640, 'lite4', 224, 7, 4, 7, 4, 'sum'],
] as const

function toVariant(row: (typeof TABLE)[number]): Variant {
  const [name, inputSize, backbone, fpnChannels, fpnCells, headRepeats, maxLevel, anchorScale, fusion] = row
  const lite = name.startsWith('lite')
  return {
    name,
    inputSize,
    backbone,
    fpnChannels,
    fpnCells,
    headRepeats,
    maxLevel,
    anchorScale,
    fusion,
    activation: lite ? 'relu6' : 'swish',
    normalization: lite ? 'lite' : 'imagenet',
  }
}

export const VARIANTS: ReadonlyMap<VariantName, Variant> = new Map(
  TABLE.map((row) => [row[0], toVariant(row)]),
)

/** Height and width of the native network input, which is square. */
export function nativeInput({ inputSize }: Variant): Size {
  return { height: inputSize, width: inputSize }
}

export function isVariantName(name: string): name is VariantName {
  return (VARIANT_NAMES as readonly string[]).includes(name)
}

export function variant(name: VariantName): Variant {
  return VARIANTS.get(name)!
}
