import { decodeBoxes, toSourcePixels } from './boxes.js'
import { type LoudFinder, selectCandidates } from './candidates.js'
import { checkFinite } from './finite.js'
import { type NmsKind, suppress } from './nms.js'

/** What a caller can choose about detections. */
export interface PostprocessParameters {
  /** 0…1 for each class: its scores must be above it. 2 for a class that is not wanted. */
  readonly scoreThresholds: Float32Array
  /** 0…1; of two boxes that overlap more, the worse is dropped. */
  readonly iouThreshold: number
  readonly maxDetections: number
  /** Best class scores that enter NMS; the trainers use 5000. */
  readonly preNmsTopK: number
  readonly nms: NmsKind
}

/** Detections as columns, best first; equal scores keep the order of anchors. */
export interface DetectionArrays {
  /** x1, y1, x2, y2 of each, in source pixels within the image. */
  readonly boxes: Float32Array
  /** 0…1. */
  readonly scores: Float32Array
  /** Zero-based output of the class head. */
  readonly classIds: Uint32Array
}

/** Detections as columns, and whether limits left something out. */
export interface PackedDetections extends DetectionArrays {
  /** Which limits left something out. */
  readonly capped: { readonly preNmsTopK: boolean; readonly maxDetections: boolean }
}

/** Raw outputs of the network for one image, and how to read them. */
export interface NetworkOutput {
  /** A×4: ty, tx, th, tw. */
  readonly boxRegression: Float32Array
  /** A×classes. */
  readonly classLogits: Float32Array
  /** A×4: centre y, centre x, height, width, in input pixels. */
  readonly anchors: Float32Array
  readonly classes: number
}

/** The image that the input was made from, in pixels, and its letterbox's scale. */
export interface SourceGeometry {
  readonly width: number
  readonly height: number
  readonly scale: number
}

/**
 * From raw outputs to detections, as effdet does it, and the oracle of the CUDA kernels: thresholds, the best
 * `preNmsTopK` anchor-class pairs, hard NMS, clipping.
 *
 * @throws EfficientDetError ERR_INFERENCE when the network answered NaN or infinity anywhere
 */
export function selectDetections(
  { boxRegression, classLogits, anchors, classes }: NetworkOutput,
  { scoreThresholds, iouThreshold, maxDetections, preNmsTopK, nms }: PostprocessParameters,
  { scale, width, height }: SourceGeometry,
  find?: LoudFinder,
): PackedDetections {
  const candidates = selectCandidates(classLogits, scoreThresholds, preNmsTopK, find)
  checkFinite('box_regression', boxRegression)
  const anchorIndices = candidates.indices.map((index) => Math.floor(index / classes))
  const classIds = candidates.indices.map((index) => index % classes)
  const boxes = decodeBoxes(boxRegression, anchors, anchorIndices)
  const { kept, capped } = suppress(boxes, nms === 'class' ? classIds : null, iouThreshold, maxDetections)
  // Clipping comes last, so boxes compete with their whole areas, as in automl and in effdet without the image's
  // size; with it, effdet clips first.
  toSourcePixels(boxes, scale, width, height)
  // Nothing is left of boxes that lie in the letterbox's margin.
  const visible = kept.filter((i) => boxes[4 * i] < boxes[4 * i + 2] && boxes[4 * i + 1] < boxes[4 * i + 3])
  const result = {
    boxes: new Float32Array(visible.length * 4),
    scores: new Float32Array(visible.length),
    classIds: new Uint32Array(visible.length),
    capped: { preNmsTopK: candidates.capped, maxDetections: capped },
  }
  visible.forEach((from, to) => {
    result.boxes.set(boxes.subarray(from * 4, from * 4 + 4), to * 4)
    result.scores[to] = 1 / (1 + Math.exp(-candidates.logits[from]))
    result.classIds[to] = classIds[from]
  })
  return result
}
