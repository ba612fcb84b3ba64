import { VERSION } from '../base/version.js'
import type { Size } from '../models/levels.js'
import type { Architecture } from '../models/spec.js'
import { efficientDet } from '../network/efficientdet.js'
import { GraphBuilder } from './builder.js'
import { type DetectionsNode, detectionsNode } from './detections-node.js'
import { type HeadLayout, joinedOutputs, levelOutputs } from './head-outputs.js'
import { ELEMENT_TYPE_OF, elementTypeId, type GraphPrecision, serializeModel } from './onnx.js'
import type { Weights } from './onnx-layers.js'
import { OnnxLayers } from './onnx-layers.js'

/** The symbolic batch dimension's name. */
const DYNAMIC_BATCH = 'N'

export interface GraphSettings {
  /** Input height and width, in pixels; any size from 1×1 on. */
  readonly inputSize: Size
  /** Images per run, or `dynamic` for any number. */
  readonly batch: number | 'dynamic'
  /** Type of weights and activations. */
  readonly precision: GraphPrecision
  /** Type of `images`. */
  readonly input: GraphPrecision
  /** `joined` without; a last node of `detections` takes levels. */
  readonly heads?: HeadLayout
  /** Decoding and suppression as a last node, in place of the raw outputs; for TensorRT with our plugin alone. */
  readonly detections?: Omit<DetectionsNode, 'classes' | 'heads'>
  /** Adds the largest and least value of each layer as outputs (see `GraphBuilder.extremes`). */
  readonly extremes?: boolean
}

/**
 * Writes the network as an ONNX file (opset 17).
 *
 * Input `images` N×3×H×W, normalised RGB. Outputs, float32: `box_regression` N×A×4 (ty, tx, th, tw) and
 * `class_logits` N×A×classes (before the sigmoid), anchors in the order level → y → x → anchor.
 *
 * By `levels`, in the precision: `box_regression/p3`… N×C×H×W, where C is anchors × 4, and `class_logits/p3`…, where
 * it is anchors × classes; filled up to vectors of 16 bytes.
 *
 * @param weights all tensors of the architecture, by effdet's names (see `inventory`)
 * @throws EfficientDetError ERR_WEIGHTS when a weight is beyond the precision's range
 */
export function buildGraph(
  architecture: Architecture,
  weights: Weights,
  { inputSize, batch, precision, input, heads = 'joined', detections, extremes = false }: GraphSettings,
): Uint8Array {
  const builder = new GraphBuilder(precision)
  const body = ELEMENT_TYPE_OF[precision]
  const images =
    input === precision
      ? 'images'
      : builder.node('Cast', `images/${body}`, ['images'], { to: elementTypeId(body) })
  const layout = detections === undefined ? heads : 'levels'
  efficientDet(
    new OnnxLayers(builder, weights, precision, layout),
    { id: images, channels: 3, height: inputSize.height, width: inputSize.width },
    architecture,
  )
  const n = batch === 'dynamic' ? DYNAMIC_BATCH : batch
  const raw =
    layout === 'levels'
      ? levelOutputs(n, inputSize, architecture, precision)
      : joinedOutputs(n, inputSize, architecture)
  const last =
    detections === undefined
      ? { inputs: [], outputs: raw }
      : detectionsNode(builder, n, { ...detections, classes: architecture.classes, heads: raw })
  const graph = builder.graph(
    `efficientdet_${architecture.variant.name}`,
    [
      { name: 'images', type: ELEMENT_TYPE_OF[input], dims: [n, 3, inputSize.height, inputSize.width] },
      ...last.inputs,
    ],
    extremes ? [...last.outputs, ...builder.extremes()] : last.outputs,
  )
  return serializeModel(graph, VERSION)
}
