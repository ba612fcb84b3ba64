import { countAnchors } from '../models/anchors.js'
import { levelSizes, type Size } from '../models/levels.js'
import type { Architecture } from '../models/spec.js'
import type { HeadOutput } from '../network/layers.js'
import { ELEMENT_TYPE_OF, type GraphPrecision, type ValueInfo } from './onnx.js'

/**
 * How a graph gives its heads: `joined`, two float32 outputs over all levels, or `levels`, an output of each level's
 * last convolution as it is, which our kernels read.
 */
export type HeadLayout = 'joined' | 'levels'

/** Bytes that the kernels read at a time, and that channels are filled up to. */
const VECTOR_BYTES = 16

/** Channels of a level's output: anchors × values, filled up to whole vectors. */
export function paddedChannels(
  { anchors, values }: Pick<HeadOutput, 'anchors' | 'values'>,
  precision: GraphPrecision,
): number {
  const vector = VECTOR_BYTES / (precision === 'fp32' ? 4 : 2)
  return Math.ceil((anchors * values) / vector) * vector
}

/** Name of a level's output, from P3 on: `class_logits/p3`. */
export function levelOutput(output: HeadOutput['output'], index: number): string {
  return `${output}/p${index + 3}`
}

/** The two outputs of joined heads: N×A×4 and N×A×classes. */
export function joinedOutputs(n: number | string, input: Size, architecture: Architecture): ValueInfo[] {
  const { variant, anchorsPerCell, classes } = architecture
  const anchors = countAnchors(input, variant.maxLevel, anchorsPerCell)
  return [
    { name: 'box_regression', type: 'float32', dims: [n, anchors, 4] },
    { name: 'class_logits', type: 'float32', dims: [n, anchors, classes] },
  ]
}

/** The outputs of heads by level, N×C×H×W in the network's own type: all of the boxes', then all of the classes'. */
export function levelOutputs(
  n: number | string,
  input: Size,
  architecture: Architecture,
  precision: GraphPrecision,
): ValueInfo[] {
  const { variant, anchorsPerCell: anchors, classes } = architecture
  const sizes = levelSizes(input, variant.maxLevel)
  const heads = [
    { output: 'box_regression', anchors, values: 4 },
    { output: 'class_logits', anchors, values: classes },
  ] as const
  return heads.flatMap((head) =>
    sizes.map(({ height, width }, index) => ({
      name: levelOutput(head.output, index),
      type: ELEMENT_TYPE_OF[precision],
      dims: [n, paddedChannels(head, precision), height, width],
    })),
  )
}
