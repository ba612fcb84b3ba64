import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { countAnchors } from '#lib/models/anchors.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { readModelFile } from '#lib/weights/model-file.js'
import {
  graphOf,
  randomImages,
  randomWeights,
  readFloats,
  relativeError,
  runGraph,
} from '../helpers/networks.js'
import { hasShared, shared } from '../helpers/shared.js'

const NATIVE_D0 = { height: 512, width: 512 }

describe.skipIf(!hasShared)('the golden D0', () => {
  const golden = (file: string) => shared(`data/golden-d0/${file}`)

  it("answers what zylo's network does, everywhere", async () => {
    const { spec, weights } = await readModelFile(golden('zylo-d0.pth'))
    const graph = graphOf(spec.architecture, new Map(weights), { inputSize: NATIVE_D0 })
    const outputs = await runGraph(graph, await readFloats(golden('input.f32')), [1, 3, 512, 512])
    const regression = await readFloats(golden('box_regression.f32'))
    const scores = await readFloats(golden('class_scores.f32'))
    expect(worstDifference(outputs.boxRegression, regression)).toBeLessThan(1e-3)
    expect(
      worstDifference(
        outputs.classLogits.map((logit) => 1 / (1 + Math.exp(-logit))),
        scores,
      ),
    ).toBeLessThan(2e-4)
  })
})

function worstDifference(a: Float32Array, b: Float32Array): number {
  expect(a).toHaveLength(b.length)
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i])), 0)
}

describe('shapes', () => {
  const lite = officialArchitecture(variant('lite0'), 3)
  const weights = randomWeights(lite)

  it.each([
    { height: 1, width: 1 },
    { height: 33, width: 500 },
    { height: 511, width: 333 },
    { height: 96, width: 160 },
  ])('an input of $height×$width gives as many boxes as it has anchors', async (inputSize) => {
    const graph = graphOf(lite, weights, { inputSize })
    const { dims } = await runGraph(graph, randomImages(1, inputSize), [
      1,
      3,
      inputSize.height,
      inputSize.width,
    ])
    expect(dims[0]).toEqual([1, countAnchors(inputSize, 7, 9), 4])
  })

  it('a dynamic batch answers each picture as if it were alone', async () => {
    const inputSize = { height: 64, width: 64 }
    const graph = graphOf(lite, weights, { inputSize, batch: 'dynamic' })
    const images = randomImages(3, inputSize)
    const together = await runGraph(graph, images, [3, 3, 64, 64])
    expect(together.dims[1][0]).toBe(3)
    for (let i = 0; i < 3; i++) {
      const length = images.length / 3
      const alone = await runGraph(graph, images.slice(i * length, (i + 1) * length), [1, 3, 64, 64])
      const logits = alone.classLogits.length
      const slot = together.classLogits.subarray(i * logits, (i + 1) * logits)
      expect(relativeError(slot, alone.classLogits)).toBeLessThan(1e-6)
    }
  })

  it('a fixed batch takes no other', async () => {
    const inputSize = { height: 64, width: 64 }
    const graph = graphOf(lite, weights, { inputSize, batch: 2 })
    expect((await runGraph(graph, randomImages(2, inputSize), [2, 3, 64, 64])).dims[0][0]).toBe(2)
    await expect(runGraph(graph, randomImages(3, inputSize), [3, 3, 64, 64])).rejects.toThrow(
      /dimension|shape/i,
    )
  })

  it('custom anchors change the heads alone', async () => {
    const architecture = { ...lite, anchorsPerCell: 2 }
    const inputSize = { height: 64, width: 64 }
    const graph = graphOf(architecture, randomWeights(architecture), { inputSize })
    const { dims } = await runGraph(graph, randomImages(1, inputSize), [1, 3, 64, 64])
    expect(dims[1]).toEqual([1, countAnchors(inputSize, 7, 2), 3])
  })
})

describe('precision', () => {
  it.each([
    ['fp32', 'fp32', 'float32'],
    ['fp16', 'fp32', 'float32'],
    ['fp16', 'fp16', 'float16'],
    ['fp32', 'fp16', 'float16'],
  ] as const)('%s body, %s input: outputs are float32', async (precision, input, type) => {
    const architecture = officialArchitecture(variant('d0'), 2)
    const inputSize = { height: 64, width: 64 }
    const graph = graphOf(architecture, randomWeights(architecture), { inputSize, precision, input })
    const session = await ort.InferenceSession.create(graph)
    const [images] = session.inputMetadata
    expect(images).toMatchObject({ name: 'images', type, shape: [1, 3, 64, 64] })
    expect(session.outputMetadata.map((output) => 'type' in output && output.type)).toEqual([
      'float32',
      'float32',
    ])
    await session.release()
  })

  it('refuses weights that float16 cannot hold, by name', () => {
    const architecture = officialArchitecture(variant('lite0'), 1)
    const weights = randomWeights(architecture)
    weights.get('class_net.predict.conv_pw.bias')!.fill(1e5)
    expect(() =>
      graphOf(architecture, weights, { inputSize: { height: 64, width: 64 }, precision: 'fp16' }),
    ).toThrow(
      expect.objectContaining({ code: 'ERR_WEIGHTS', message: expect.stringMatching(/class_net.*65504/) }),
    )
  })
})

describe('max-pooling', () => {
  /** P6 and P7 of the input come from two pools; a picture of negative features shows what lies outside. */
  it.each([
    ['infinity', 63],
    ['zero', 63],
    ['zero', 64],
    ['infinity', 64],
  ] as const)(
    'with %s outside, at %i pixels, is the same at every level of optimisation',
    async (pool, side) => {
      const official = officialArchitecture(variant('lite0'), 1)
      const architecture = { ...official, padding: { ...official.padding, pool } }
      const inputSize = { height: side, width: side }
      const graph = graphOf(architecture, randomWeights(architecture), { inputSize })
      const images = new ort.Tensor('float32', randomImages(1, inputSize), [1, 3, side, side])
      const answers: Float32Array[] = []
      for (const graphOptimizationLevel of ['disabled', 'all'] as const) {
        const session = await ort.InferenceSession.create(graph, { graphOptimizationLevel })
        answers.push((await session.run({ images })).class_logits.data as Float32Array)
        await session.release()
      }
      expect(relativeError(answers[1], answers[0])).toBeLessThan(1e-5)
    },
  )

  it('with zeros outside differs from that with −∞', async () => {
    const official = officialArchitecture(variant('lite0'), 1)
    const weights = randomWeights(official)
    const inputSize = { height: 64, width: 64 }
    const images = randomImages(1, inputSize)
    const [infinite, zero] = await Promise.all(
      (['infinity', 'zero'] as const).map((pool) => {
        const architecture = { ...official, padding: { ...official.padding, pool } }
        return runGraph(graphOf(architecture, weights, { inputSize }), images, [1, 3, 64, 64])
      }),
    )
    expect(relativeError(zero.classLogits, infinite.classLogits)).toBeGreaterThan(1e-4)
  })
})

describe('decoding and suppression within the graph', () => {
  it('is a node of our own, which only our plugin runs', async () => {
    const architecture = officialArchitecture(variant('lite0'), 3)
    const inputSize = { height: 64, width: 64 }
    const anchors = new Float32Array(4 * countAnchors(inputSize, 7, 9))
    const detections = { anchors, capacity: 50 }
    const graph = graphOf(architecture, randomWeights(architecture), { inputSize, detections })
    await expect(ort.InferenceSession.create(graph)).rejects.toThrow(
      /efficientdet:EfficientDetDetections\(-1\) is not a registered function\/op/,
    )
  })
})
