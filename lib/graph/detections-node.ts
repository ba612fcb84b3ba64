import type { GraphBuilder } from './builder.js'
import type { ValueInfo } from './onnx.js'

/** Decoding and non-maximum suppression within the network: a node that our TensorRT plugin runs. */
export interface DetectionsNode {
  /** Outputs of the heads by level, which the node takes: the boxes' first. */
  readonly heads: readonly ValueInfo[]
  /** A×4: centre y, centre x, height, width, in input pixels. */
  readonly anchors: Float32Array
  readonly classes: number
  /** Most detections per image. */
  readonly capacity: number
}

/** The plugin's name, version and namespace (native/tensorrt). */
const PLUGIN = { op: 'EfficientDetDetections', version: '2', domain: 'efficientdet' } as const

/** Values per image of the input `postprocess`. */
const POSTPROCESS_WIDTH = 8

/**
 * Appends the node. What a caller can choose are float32 inputs, so that no engine is built twice for it:
 *
 * - `class_thresholds` N×classes, logits; +∞ for classes that are not wanted
 * - `postprocess` N×8: IoU threshold, most detections, most candidates, 1 if all classes compete, letterbox scale,
 *   source width and height, 0
 *
 * @returns inputs it adds to the graph's, and outputs in place of the heads':
 * - `detections` N×capacity×6: x1, y1, x2, y2 in source pixels, score, class
 * - `counts` N×4: detections, whether candidates and detections were capped, whether anything was not finite
 */
export function detectionsNode(
  graph: GraphBuilder,
  n: number | string,
  { heads, anchors, classes, capacity }: DetectionsNode,
): { inputs: ValueInfo[]; outputs: ValueInfo[] } {
  graph.add({
    name: 'detections',
    op: PLUGIN.op,
    domain: PLUGIN.domain,
    inputs: [
      ...heads.map(({ name }) => name),
      graph.matrix('anchors', 4, anchors),
      'class_thresholds',
      'postprocess',
    ],
    outputs: ['detections', 'counts'],
    attributes: { capacity, plugin_version: PLUGIN.version, plugin_namespace: PLUGIN.domain },
  })
  return {
    inputs: [
      { name: 'class_thresholds', type: 'float32', dims: [n, classes] },
      { name: 'postprocess', type: 'float32', dims: [n, POSTPROCESS_WIDTH] },
    ],
    outputs: [
      { name: 'detections', type: 'float32', dims: [n, capacity, 6] },
      { name: 'counts', type: 'int32', dims: [n, 4] },
    ],
  }
}
