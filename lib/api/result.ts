import type { BackendName, EngineTimings } from '../backends/backend.js'
import { labelOf } from '../models/labels.js'
import type { PackedDetections } from '../postprocess/detections.js'

/** Corners in pixels of the source picture: 0 ≤ x1 ≤ x2 ≤ width, 0 ≤ y1 ≤ y2 ≤ height. */
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

/** What was found in one picture. */
export class DetectionResult {
  /** The path or URL that was given, or null for a picture in memory. */
  readonly source: string | null
  /** Of the picture as a viewer shows it, in pixels. */
  readonly width: number
  readonly height: number
  /** Pictures in the file, of which the first was taken. */
  readonly pages: number
  /** The same detections as typed arrays, best first. */
  readonly packed: PackedDetections
  readonly timings: Timings
  /** What ran the network. */
  readonly backend: BackendName
  readonly #labels: readonly string[] | null
  #detections: readonly Detection[] | null = null

  constructor(facts: Omit<DetectionResult, 'detections' | 'toJSON'>, labels: readonly string[] | null) {
    this.source = facts.source
    this.width = facts.width
    this.height = facts.height
    this.pages = facts.pages
    this.packed = facts.packed
    this.timings = facts.timings
    this.backend = facts.backend
    this.#labels = labels
  }

  /** Best first; made on first use. */
  get detections(): readonly Detection[] {
    this.#detections ??= unpack(this.packed, this.#labels)
    return this.#detections
  }

  /** For JSON.stringify: everything but the typed arrays. */
  toJSON(): object {
    const { source, width, height, pages, detections, timings, backend } = this
    return { source, width, height, pages, detections, capped: this.packed.capped, timings, backend }
  }
}

function unpack(
  { boxes, scores, classIds }: PackedDetections,
  labels: readonly string[] | null,
): Detection[] {
  return Array.from(scores, (score, i) => ({
    label: labelOf(labels, classIds[i]),
    classId: classIds[i],
    score,
    box: [boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]],
  }))
}
