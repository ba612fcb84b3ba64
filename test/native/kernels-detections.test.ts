import { readdir } from 'node:fs/promises'
import * as ort from 'onnxruntime-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { readSource } from '#lib/image/source.js'
import { anchorBoxes } from '#lib/models/anchors.js'
import { type PostprocessParameters, selectDetections } from '#lib/postprocess/detections.js'
import { graphOfModelFile } from '#lib/tasks/export.js'
import { type DetectionsQuestion, geometryOf, HEAD_TYPES, hasKernels } from '../helpers/kernels.js'
import {
  above,
  bell,
  expectReference,
  expectSame,
  LIMITS,
  outputOf,
  PARAMETERS,
  run,
} from '../helpers/network-outputs.js'
import { random } from '../helpers/random.js'
import { refusal } from '../helpers/refusal.js'
import { hasShared, shared } from '../helpers/shared.js'

const INPUT = { width: 128, height: 128 }
const GEOMETRY = geometryOf({ width: 640, height: 427 }, INPUT)

describe.skipIf(!hasKernels)('the detections kernels are the reference', () => {
  const rng = random(11)
  const usual = outputOf(
    INPUT,
    90,
    () => 3 * bell(rng) - 5,
    () => bell(rng) / 2,
  )

  it('for all parameters, each picture of a batch having its own', async () => {
    const variants: PostprocessParameters[] = [
      PARAMETERS,
      { ...PARAMETERS, nms: 'agnostic' },
      { ...PARAMETERS, maxDetections: 7 },
      { ...PARAMETERS, preNmsTopK: 50 },
      { ...PARAMETERS, preNmsTopK: 1, maxDetections: 1 },
      { ...PARAMETERS, iouThreshold: 0 },
      { ...PARAMETERS, iouThreshold: 1 },
      {
        ...PARAMETERS,
        scoreThresholds: Float32Array.from({ length: 90 }, (_, i) => (i % 7 === 3 ? 0.3 : 2)),
      },
      {
        ...PARAMETERS,
        scoreThresholds: Float32Array.from({ length: 90 }, (_, i) => [0.6, 0.35, 2, 0.45][i % 4]),
      },
      { ...PARAMETERS, ...above(2) },
      { ...PARAMETERS, ...above(0) },
      { ...PARAMETERS, ...above(1) },
    ]
    const sizes = [
      { width: 640, height: 427 },
      { width: 31, height: 500 },
      { width: 8000, height: 6001 },
    ]
    const questions = variants.map((parameters, i) => ({
      output: usual,
      parameters,
      geometry: geometryOf(sizes[i % sizes.length], INPUT),
    }))
    const results = await run(questions)
    expectReference(questions, results)
    expect(results[0].classIds.length).toBeGreaterThan(20)
    expect(results[2].capped.maxDetections).toBe(true)
    expect(results[3].capped.preNmsTopK).toBe(true)
  })

  it.each([1, 2, 90, 91])('for %i classes', async (classes) => {
    const rng = random(classes)
    const output = outputOf(
      INPUT,
      classes,
      () => 3 * bell(rng) - 3,
      () => bell(rng) / 2,
    )
    for (const nms of ['class', 'agnostic'] as const) {
      await expectSame([
        { output, parameters: { ...PARAMETERS, ...above(0.3, classes), nms }, geometry: GEOMETRY },
      ])
    }
  })

  it('for scores that are all equal, which leaves the first', async () => {
    const rng = random(2)
    const output = outputOf(
      INPUT,
      90,
      () => 0.75,
      () => bell(rng) / 2,
    )
    const parameters = { ...PARAMETERS, maxDetections: 300 }
    const questions = [
      { output, parameters, geometry: GEOMETRY },
      { output, parameters: { ...parameters, nms: 'agnostic' as const }, geometry: GEOMETRY },
      { output, parameters: { ...parameters, preNmsTopK: 77 }, geometry: GEOMETRY },
    ]
    await expectSame(questions)
  })

  it('for few different scores, of both signs and both zeros', async () => {
    const rng = random(3)
    const values = [-0, 0, 1, -1, 0.5, 3e-39]
    const output = outputOf(
      INPUT,
      3,
      () => values[rng.int(values.length)],
      () => 0,
    )
    for (const preNmsTopK of [100, 1234, 5000]) {
      const parameters = { ...PARAMETERS, ...above(0.1, 3), preNmsTopK, maxDetections: 300 }
      await expectSame([{ output, parameters, geometry: GEOMETRY }])
    }
  })

  it('for no score above the threshold, and for all', async () => {
    const rng = random(4)
    const output = outputOf(
      INPUT,
      90,
      () => bell(rng),
      () => bell(rng) / 2,
    )
    const none = { ...PARAMETERS, ...above(0.99) }
    const all = { ...PARAMETERS, ...above(0.001) }
    await expectSame([none, all].map((parameters) => ({ output, parameters, geometry: GEOMETRY })))
  })

  it('for more than 5,000 candidates and detections that nothing drops', async () => {
    const rng = random(5)
    // As far apart as the anchors are, and small.
    const output = outputOf(
      { width: 256, height: 256 },
      2,
      () => bell(rng),
      (i) => (i % 4 < 2 ? 0 : -4),
    )
    const parameters = {
      ...PARAMETERS,
      ...above(0.01, 2),
      preNmsTopK: 8000,
      maxDetections: 6000,
    }
    const geometry = { width: 256, height: 256, scale: 1 }
    await expectSame([{ output, parameters, geometry }], { candidates: 8000, detections: 6000 })
  })

  it('for boxes that overlap by just the threshold, or by a last bit more or less', async () => {
    const rng = random(16)
    const input = { width: 256, height: 256 }
    const anchors = outputOf(
      input,
      1,
      () => 0,
      () => 0,
    ).anchors
    // Pairs of equal anchors' boxes, one shifted: IoU is (1 − s) / (1 + s), a half for a shift of a third.
    const output = outputOf(
      input,
      1,
      () => bell(rng),
      (i) => {
        if (i % 4 >= 2) return 0
        const shifts = [0, 1 / 3, Math.fround(1 / 3), 1 / 3 - 2 ** -26, 1 / 3 + 2 ** -24, 1 / 3 + 2 ** -20]
        return shifts[rng.int(shifts.length)] * (rng.int(2) === 0 ? 1 : -1)
      },
    )
    // All lie over the same place, at four sizes that differ in a last bit.
    const stacked = anchors.map((_, i) => {
      if (i % 4 < 2) return 96
      return [64, 64 * (1 + 2 ** -23), 64 * (1 - 2 ** -24), 128][Math.floor(i / 4) % 4]
    })
    const parameters = { ...PARAMETERS, ...above(0.01, 1), maxDetections: 300 }
    for (const iouThreshold of [0.5, 1 / 3, Math.fround(1 / 3), 1]) {
      await expectSame([
        {
          output: { ...output, anchors: stacked },
          parameters: { ...parameters, iouThreshold },
          geometry: GEOMETRY,
        },
      ])
    }
  })

  it('for regressions that overflow', async () => {
    const rng = random(6)
    const output = outputOf(
      INPUT,
      4,
      () => 3 * bell(rng) - 3,
      () => 60 * bell(rng),
    )
    await expectSame([{ output, parameters: { ...PARAMETERS, ...above(0.3, 4) }, geometry: GEOMETRY }])
  })
})

describe.skipIf(!hasKernels)('damaged networks', () => {
  const at = (values: Float32Array, index: number, value: number) => {
    const copy = values.slice()
    copy[index] = value
    return copy
  }

  it.each(HEAD_TYPES.flatMap((type) => [Number.NaN, Infinity, -Infinity].map((value) => ({ type, value }))))(
    'are noticed by one $value anywhere, and by the frame, in $type',
    async ({ type, value }) => {
      const rng = random(9)
      const whole = outputOf(
        INPUT,
        7,
        () => 3 * bell(rng) - 4,
        () => bell(rng) / 2,
      )
      const { classLogits, boxRegression } = whole
      const outputs = [
        whole,
        { ...whole, classLogits: at(classLogits, 0, value) },
        { ...whole, classLogits: at(classLogits, classLogits.length - 1, value) },
        { ...whole, boxRegression: at(boxRegression, 4711, value) },
        { ...whole, boxRegression: at(boxRegression, boxRegression.length - 1, value) },
        whole,
      ]
      // Also in classes that nobody asked for, and whatever the threshold.
      const parameters = { ...PARAMETERS, scoreThresholds: Float32Array.of(2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3) }
      const questions = outputs.map((output) => ({ output, parameters, geometry: GEOMETRY }))
      const results = await run(questions, LIMITS, type)
      expect(results.map(({ notFinite }) => notFinite)).toEqual([false, true, true, true, true, false])
      expect(results.map(({ classIds }) => classIds.length > 0)).toEqual([
        true,
        false,
        false,
        false,
        false,
        true,
      ])
      // The reference refuses the same.
      for (const [i, output] of outputs.entries()) {
        const refer = () => selectDetections(output, parameters, GEOMETRY)
        if (results[i].notFinite)
          expect(refer).toThrow(refusal('ERR_INFERENCE', new RegExp(`answered ${value} \\(`)))
        else expect(refer).not.toThrow()
      }
    },
  )

  it('are noticed where nothing is a number', async () => {
    const output = outputOf(
      INPUT,
      90,
      () => Number.NaN,
      () => Number.NaN,
    )
    const [result] = await run([{ output, parameters: PARAMETERS, geometry: GEOMETRY }])
    expect(result).toMatchObject({ notFinite: true, capped: { preNmsTopK: false, maxDetections: false } })
    expect(result.classIds).toHaveLength(0)
  })
})

describe.skipIf(!hasKernels || !hasShared)("the bundled model's answers to photographs", () => {
  const questions: DetectionsQuestion[] = []

  beforeAll(async () => {
    const settings = { inputSize: null, batch: 1, precision: 'fp32', input: 'fp32' } as const
    const model = await graphOfModelFile('models/person/person.safetensors', {}, settings, () => {})
    const { spec, inputSize, onnx } = model
    const anchors = anchorBoxes(inputSize, spec.architecture.variant.maxLevel, spec.anchors)
    const session = await ort.InferenceSession.create(onnx)
    const folder = shared('data/pictures')
    for (const file of await readdir(folder)) {
      const { frame } = await readSource(`${folder}/${file}`, { maxPixels: 1e8 })
      const { tensor } = preprocess(toRgb(frame), inputSize, spec.preprocessing)
      const { box_regression, class_logits } = await session.run({
        images: new ort.Tensor('float32', tensor, [1, 3, inputSize.height, inputSize.width]),
      })
      const output = {
        boxRegression: box_regression.data as Float32Array,
        classLogits: class_logits.data as Float32Array,
        anchors,
        classes: spec.architecture.classes,
      }
      questions.push({ output, parameters: PARAMETERS, geometry: geometryOf(frame, inputSize) })
    }
    await session.release()
  })

  it.each([0.5, 0.3, 0.05, 0.001])('give the same detections above %f', async (threshold) => {
    for (const nms of ['class', 'agnostic'] as const) {
      await expectSame(
        questions.map((question) => ({
          ...question,
          parameters: { ...PARAMETERS, ...above(threshold, 1), nms },
        })),
        LIMITS,
        // So low, there are thousands.
        threshold < 0.01 ? ['float16'] : HEAD_TYPES,
      )
    }
  })
})
