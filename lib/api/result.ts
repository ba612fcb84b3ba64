import type { BackendName, EngineTimings } from '../backends/backend.js'
import { labelOf } from '../models/labels.js'
import type { Size } from '../models/levels.js'
import { invalidOption } from '../options/checks.js'
import type { DetectionArrays } from '../postprocess/detections.js'

/** Corners in pixels of the source image: 0 ≤ x1 ≤ x2 ≤ width, 0 ≤ y1 ≤ y2 ≤ height. */
export type Box = readonly [x1: number, y1: number, x2: number, y2: number]

export interface Detection {
  /** The class's name, or `class N` where nobody named it. */
  readonly label: string
  /** Zero-based output of the class head; `model.labels[classId]` is its name. COCO's category id is classId + 1. */
  readonly classId: number
  /** 0…1. */
  readonly score: number
  readonly box: Box
}

/** Milliseconds of each stage, and of the call as a whole. */
export interface Timings extends EngineTimings {
  readonly decode: number
  readonly total: number
}

/** Objects found in one image. Plain data: it can be cloned, posted to a worker, spread and written as JSON. */
export interface DetectionResult {
  /** The path or URL that was given, or null for an image in memory. */
  readonly source: string | null
  /** Size of the image as a viewer shows it, in pixels. */
  readonly width: number
  readonly height: number
  /** Images in the file, of which the first was taken. */
  readonly pages: number
  /** Best first. */
  readonly detections: readonly Detection[]
  /** Which of these options left something out. */
  readonly capped: { readonly preNmsTopK: boolean; readonly maxDetections: boolean }
  /** Flaws of the file that did not keep it from being read. */
  readonly warnings: readonly string[]
  readonly timings: Timings
  /** Backend that ran the network. */
  readonly backend: BackendName
}

/** @param scaling of boxes from the size in which they were found to the picture's own */
export function detectionsOf(
  { boxes, scores, classIds }: DetectionArrays,
  labels: readonly string[] | null,
  scaling: { readonly from: Size; readonly to: Size },
): Detection[] {
  const { from, to } = scaling
  // Exact where both are equal: a float32 times a side has fewer bits than a float64.
  const x = (value: number) => (value * to.width) / from.width
  const y = (value: number) => (value * to.height) / from.height
  // A plain loop, which takes half the time of Array.from with a function.
  const detections: Detection[] = new Array(scores.length)
  for (let i = 0; i < scores.length; i++) {
    detections[i] = {
      label: labelOf(labels, classIds[i]),
      classId: classIds[i],
      score: scores[i],
      box: [x(boxes[4 * i]), y(boxes[4 * i + 1]), x(boxes[4 * i + 2]), y(boxes[4 * i + 3])],
    }
  }
  return detections
}

/**
 * Detections as typed arrays, in the same order: for those who compute with them, or post them by transfer.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for what is no list, such as a result as a whole
 */
export function packDetections(detections: readonly Detection[]): DetectionArrays {
  if (!Array.isArray(detections)) {
    throw invalidOption('detections', detections, "a list of detections, such as a result's detections")
  }
  const boxes = new Float32Array(4 * detections.length)
  const scores = new Float32Array(detections.length)
  const classIds = new Uint32Array(detections.length)
  for (const [i, { box, score, classId }] of detections.entries()) {
    boxes.set(box, 4 * i)
    scores[i] = score
    classIds[i] = classId
  }
  return { boxes, scores, classIds }
}
