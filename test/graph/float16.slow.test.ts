import { describe, expect, it } from 'vitest'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { readSource } from '#lib/image/source.js'
import { anchorBoxes } from '#lib/models/anchors.js'
import { type PackedDetections, selectDetections } from '#lib/postprocess/detections.js'
import { readModelFile } from '#lib/weights/model-file.js'
import { graphOf, type Outputs, readFloats, relativeError, runGraph } from '../helpers/networks.js'
import { hasShared, shared } from '../helpers/shared.js'

const PERSON = 'models/person/person.safetensors'
const PICTURES = [
  'models/person/person.jpg',
  ...(hasShared ? ['kite', 'street'].map((name) => shared(`data/pictures/${name}.jpg`)) : []),
]

describe('person in float16', () => {
  it.each(PICTURES)('finds in %s what it finds in float32', async (file) => {
    const { spec, weights } = await readModelFile(PERSON)
    const inputSize = { height: 320, width: 320 }
    const { frame } = await readSource(file, { maxPixels: 1e8 })
    const picture = toRgb(frame)
    const { tensor, letterbox } = preprocess(picture, inputSize, spec.preprocessing)
    const anchors = anchorBoxes(inputSize, 7, spec.anchors)
    const find = async (precision: 'fp32' | 'fp16', scoreThreshold: number) => {
      const outputs = await runGraph(
        graphOf(spec.architecture, new Map(weights), { inputSize, precision }),
        tensor,
        [1, 3, 320, 320],
      )
      return selectDetections(
        { ...outputs, anchors, classes: 1 },
        {
          scoreThresholds: Float32Array.of(scoreThreshold),
          iouThreshold: 0.5,
          maxDetections: 100,
          preNmsTopK: 5000,
          nms: 'class',
        },
        { width: picture.width, height: picture.height, scale: letterbox.scale },
      )
    }
    const expected = await find('fp32', 0.3)
    // A little below, for a score of just above 0.3 may fall under it.
    const found = await find('fp16', 0.29)
    expect(expected.scores.length).toBeGreaterThan(0)
    expected.scores.forEach((score, i) => {
      const [best, j] = bestMatch(expected, i, found)
      expect(best).toBeGreaterThanOrEqual(0.98)
      expect(Math.abs(found.scores[j] - score)).toBeLessThan(0.01)
    })
  })
})

describe.skipIf(!hasShared)('the golden D0 in float16', () => {
  const inputSize = { height: 512, width: 512 }

  /**
   * Its random weights answer regressions up to 52, whose exponentials no precision survives, and are sure of
   * something everywhere, where near-equal rivals take turns.
   *
   * So its outputs are scaled to a trained network's: regressions as spread as those of person's confident anchors,
   * and as many scores above 0.3 as a picture gives.
   */
  it('finds what it finds in float32, with outputs like those of a trained network', async () => {
    const { spec, weights } = await readModelFile(shared('data/golden-d0/zylo-d0.pth'))
    const images = await readFloats(shared('data/golden-d0/input.f32'))
    const run = (tensors: ReadonlyMap<string, Float32Array>, precision: 'fp32' | 'fp16') =>
      runGraph(
        graphOf(spec.architecture, new Map(tensors), { inputSize, precision }),
        images,
        [1, 3, 512, 512],
      )
    const scaled = likeTrained(new Map(weights), await run(weights, 'fp32'))
    const single = await run(scaled, 'fp32')
    const half = await run(scaled, 'fp16')
    expect(relativeError(half.boxRegression, single.boxRegression)).toBeLessThan(0.02)
    expect(relativeError(half.classLogits, single.classLogits)).toBeLessThan(0.005)

    const anchors = anchorBoxes(inputSize, 7, spec.anchors)
    const find = (outputs: Outputs, scoreThreshold: number, iouThreshold: number) =>
      selectDetections(
        { ...outputs, anchors, classes: 90 },
        {
          scoreThresholds: new Float32Array(90).fill(scoreThreshold),
          iouThreshold,
          maxDetections: 100,
          preNmsTopK: 5000,
          nms: 'class',
        },
        { width: 512, height: 512, scale: 1 },
      )
    const expected = find(single, 0.3, 0.5)
    // Without suppression: two of these boxes overlap by 0.49994, and which side of 0.5 that is on is no matter of
    // what the network sees.
    const found = find(half, 0.28, 1)
    expect(expected.scores.length).toBeGreaterThanOrEqual(10)
    expected.scores.forEach((score, i) => {
      const [best, j] = bestMatch(expected, i, found)
      expect(best).toBeGreaterThanOrEqual(0.98)
      expect(Math.abs(found.scores[j] - score)).toBeLessThan(0.01)
    })
  })
})

/** Spread of the regressions of person's anchors with scores above 0.27 on its reference picture. */
const CONFIDENT_SPREAD = 0.21

/** Scores above 0.3 before suppression. */
const CONFIDENT_SCORES = 20

/** Moves and scales what the heads answer, by their last layers. */
function likeTrained(weights: Map<string, Float32Array>, outputs: Outputs): Map<string, Float32Array> {
  const change = (head: string, scale: number, shift: number) => {
    const [weight, bias] = ['weight', 'bias'].map((part) => `${head}.predict.conv_pw.${part}`)
    weights.set(
      weight,
      weights.get(weight)!.map((value) => value * scale),
    )
    weights.set(
      bias,
      weights.get(bias)!.map((value) => value * scale + shift),
    )
  }
  const boxes = spreadOf(outputs.boxRegression)
  const boxScale = CONFIDENT_SPREAD / boxes.deviation
  change('box_net', boxScale, -boxes.mean * boxScale)
  const classScale = 1 / spreadOf(outputs.classLogits).deviation
  const least = outputs.classLogits
    .slice()
    .sort()
    .at(-1 - CONFIDENT_SCORES)!
  change('class_net', classScale, Math.log(0.3 / 0.7) - least * classScale)
  return weights
}

function spreadOf(values: Float32Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  return { mean, deviation }
}

function bestMatch(a: PackedDetections, i: number, b: PackedDetections): [iou: number, index: number] {
  const overlaps = [...b.scores.keys()].map((j) =>
    a.classIds[i] === b.classIds[j] ? iou(a.boxes, i, b.boxes, j) : 0,
  )
  const best = Math.max(0, ...overlaps)
  return [best, overlaps.indexOf(best)]
}

function iou(a: Float32Array, i: number, b: Float32Array, j: number): number {
  const [p, q] = [a.subarray(4 * i, 4 * i + 4), b.subarray(4 * j, 4 * j + 4)]
  const width = Math.min(p[2], q[2]) - Math.max(p[0], q[0])
  const height = Math.min(p[3], q[3]) - Math.max(p[1], q[1])
  const shared = Math.max(0, width) * Math.max(0, height)
  return shared / ((p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - shared)
}
