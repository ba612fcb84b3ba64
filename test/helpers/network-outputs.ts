import { expect } from 'vitest'
import { bfloat16ToFloat32, float32ToBfloat16 } from '#lib/base/bfloat16.js'
import { float16ToFloat32, float32ToFloat16 } from '#lib/base/float16.js'
import { anchorBoxes, DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import type { Size } from '#lib/models/levels.js'
import {
  type NetworkOutput,
  type PostprocessParameters,
  selectDetections,
} from '#lib/postprocess/detections.js'
import {
  type DetectionsQuestion,
  detectionsCall,
  HEAD_TYPES,
  type HeadType,
  type KernelDetections,
  runKernels,
} from './kernels.js'
import type { Random } from './random.js'

/** One threshold for all classes. */
export const above = (threshold: number, classes = 90) => ({
  scoreThresholds: new Float32Array(classes).fill(threshold),
})

export const PARAMETERS: PostprocessParameters = {
  ...above(0.3),
  iouThreshold: 0.5,
  maxDetections: 100,
  preNmsTopK: 5000,
  nms: 'class',
}
export const LIMITS = { candidates: 5000, detections: 300 }
const GRID = { anchorScale: 4, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS }

/** A network's outputs over real anchors, with logits and regressions drawn by functions. */
export function outputOf(
  input: Size,
  classes: number,
  logit: (index: number) => number,
  regression: (index: number) => number,
  maxLevel = 7,
): NetworkOutput {
  const anchors = anchorBoxes(input, maxLevel, GRID)
  const count = anchors.length / 4
  return {
    anchors,
    classes,
    boxRegression: Float32Array.from({ length: count * 4 }, (_, i) => regression(i)),
    classLogits: Float32Array.from({ length: count * classes }, (_, i) => logit(i)),
  }
}

/** Sums of uniform numbers: like what networks answer, most of it well below 0. */
export const bell = (rng: Random) => 2 * (rng.float() + rng.float() + rng.float() - 1.5)

export function expectReference(
  questions: readonly DetectionsQuestion[],
  results: readonly KernelDetections[],
): void {
  questions.forEach(({ output, parameters, geometry }, i) => {
    const reference = selectDetections(output, parameters, geometry)
    const { boxes, scores, classIds, capped, notFinite } = results[i]
    expect(notFinite).toBe(false)
    expect(capped).toEqual(reference.capped)
    expect(classIds).toEqual(reference.classIds)
    expect(boxes.length).toBe(reference.boxes.length)
    // float64 within, so differences of exp's last bit are all there may be.
    for (const [k, side] of reference.boxes.entries()) expect(Math.abs(boxes[k] - side)).toBeLessThan(1e-3)
    for (const [k, score] of reference.scores.entries())
      expect(Math.abs(scores[k] - score)).toBeLessThan(1e-6)
  })
}

/** What a network answers whose heads are of a type. */
function rounded(question: DetectionsQuestion, type: HeadType): DetectionsQuestion {
  const round = {
    float32: (values: Float32Array) => values,
    float16: (values: Float32Array) => float16ToFloat32(float32ToFloat16(values)),
    bfloat16: (values: Float32Array) => bfloat16ToFloat32(float32ToBfloat16(values)),
  }[type]
  const { boxRegression, classLogits, ...output } = question.output
  return {
    ...question,
    output: { ...output, boxRegression: round(boxRegression), classLogits: round(classLogits) },
  }
}

export async function run(
  questions: readonly DetectionsQuestion[],
  limits = LIMITS,
  type: HeadType = 'float32',
): Promise<KernelDetections[]> {
  const [results] = await runKernels([detectionsCall(questions, limits, type)])
  return results
}

/** Compares with the reference, for heads of each type. */
export async function expectSame(
  questions: readonly DetectionsQuestion[],
  limits = LIMITS,
  types: readonly HeadType[] = HEAD_TYPES,
): Promise<void> {
  for (const type of types) {
    const asked = questions.map((question) => rounded(question, type))
    expectReference(asked, await run(asked, limits, type))
  }
}
