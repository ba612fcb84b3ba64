import { isRecord } from '../../models/guards.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import { COMPARED_DETECTIONS } from './comparison.js'

/** Reference detections of the self-test's images, as engine files have them: 3.5 KB each. */
export type ReferenceDetectionsJson = readonly {
  readonly [Column in keyof DetectionArrays]: readonly number[]
}[]

const IMAGES = 3

/** Boxes to a hundredth of a pixel, scores to a ten-thousandth: no comparison notices the rest. */
export function referenceDetectionsToJson(detections: readonly DetectionArrays[]): ReferenceDetectionsJson {
  return detections.map(({ boxes, scores, classIds }) => ({
    boxes: Array.from(boxes, (side) => Math.round(100 * side) / 100),
    scores: Array.from(scores, (score) => Math.round(1e4 * score) / 1e4),
    classIds: [...classIds],
  }))
}

export function referenceDetectionsFromJson(json: ReferenceDetectionsJson): DetectionArrays[] {
  return json.map(({ boxes, scores, classIds }) => ({
    boxes: Float32Array.from(boxes),
    scores: Float32Array.from(scores),
    classIds: Uint32Array.from(classIds),
  }))
}

/** Whether a value can be detections of a model with so many classes, in each image. */
export function isReferenceDetectionsJson(value: unknown, classes: number): value is ReferenceDetectionsJson {
  return Array.isArray(value) && value.length === IMAGES && value.every((each) => isDetections(each, classes))
}

function isDetections(value: unknown, classes: number): boolean {
  if (!isRecord(value) || !Array.isArray(value.scores)) return false
  const { boxes, scores, classIds } = value
  const count = scores.length
  return (
    count <= COMPARED_DETECTIONS &&
    areNumbers(boxes, 4 * count, Number.isFinite) &&
    areNumbers(scores, count, (score) => score >= 0 && score <= 1) &&
    areNumbers(classIds, count, (id) => Number.isInteger(id) && id >= 0 && id < classes)
  )
}

function areNumbers(value: unknown, count: number, isRight: (number: number) => boolean): boolean {
  return (
    Array.isArray(value) &&
    value.length === count &&
    value.every((item) => typeof item === 'number' && isRight(item))
  )
}
