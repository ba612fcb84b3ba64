import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { countAnchors } from '#lib/models/anchors.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { VARIANT_NAMES, variant } from '#lib/models/variants.js'
import { graphOf, randomImages, randomWeights, runGraph } from '../helpers/networks.js'

describe('every size', () => {
  it.each(VARIANT_NAMES)('%s runs in onnxruntime on a small input', async (name) => {
    const architecture = officialArchitecture(variant(name), 7)
    const inputSize = { height: 128, width: 96 }
    const graph = graphOf(architecture, randomWeights(architecture), { inputSize })
    const outputs = await runGraph(graph, randomImages(1, inputSize), [1, 3, 128, 96])
    const anchors = countAnchors(inputSize, architecture.variant.maxLevel, 9)
    expect(outputs.dims).toEqual([
      [1, anchors, 4],
      [1, anchors, 7],
    ])
    expect(outputs.classLogits.every(Number.isFinite)).toBe(true)
  })

  it('D7x in float32 is a file of over 300 MB, which onnxruntime loads', async () => {
    const architecture = officialArchitecture(variant('d7x'))
    const graph = graphOf(architecture, randomWeights(architecture), {
      inputSize: { height: 1536, width: 1536 },
    })
    expect(graph.length).toBeGreaterThan(300e6)
    const session = await ort.InferenceSession.create(graph, { graphOptimizationLevel: 'disabled' })
    expect(session.inputNames).toEqual(['images'])
    expect(session.outputNames).toEqual(['box_regression', 'class_logits'])
    await session.release()
  })
})
