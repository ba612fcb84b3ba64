import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { COCO_LABELS } from '#lib/models/labels.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { type ModelSpec, officialArchitecture } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { checkDetectOptions, type DetectOptions } from '#lib/options/detect.js'
import { checkGraphOptions, type GraphOptions } from '#lib/options/graph.js'
import { checkLoadOptions, type LoadOptions } from '#lib/options/load.js'
import { refusal } from '../helpers/refusal.js'

const COCO: ModelSpec = {
  architecture: officialArchitecture(variant('d0')),
  anchors: { anchorScale: 4, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS },
  preprocessing: preprocessingOf('effdet', 'imagenet'),
  labels: COCO_LABELS,
}

describe('load options', () => {
  it('have the defaults that are documented', () => {
    expect(checkLoadOptions({})).toEqual({
      backend: 'auto',
      weights: {},
      size: null,
      threads: availableParallelism(),
      backendLibrary: null,
      engine: {
        family: null,
        libraryPath: null,
        device: 0,
        precision: 'fp16',
        workspaceBytes: 0,
        optimisationLevel: -1,
        versionCompatible: false,
        hardwareCompatible: false,
        unfit: 'rebuild',
        checkMemory: true,
      },
      devices: [0],
      contexts: 2,
      maxBatchSize: 8,
      maxBatchDelay: 2,
      inferenceDeadline: 60_000,
      maxPending: 16,
      whenFull: 'wait',
      maxPixels: 268_402_689,
      signal: undefined,
      onProgress: expect.any(Function),
    })
  })

  it.each([
    [{ backend: 'cuda' }, /^backend is "cuda"; expected one of 'auto', 'tensorrt', 'cpu'/],
    [{ backend: 'tensort' }, /did you mean 'tensorrt'\?/],
    [{ threads: 0 }, /^threads is 0; expected a whole number from 1 to 256/],
    [{ devices: [] }, /^devices is a list of \d; expected a list of different numbers of GPUs/],
    [{ devices: [1, 1] }, /^devices is a list of \d; expected a list of different numbers of GPUs/],
    [{ devices: [16] }, /^a number in devices is 16/],
    [{ contexts: 9 }, /^contexts is 9; expected a whole number from 1 to 8/],
    [{ engine: { device: 1 } }, /device/],
    [{ threads: '2' }, /^threads is "2"/],
    [{ maxPending: 1.5 }, /^maxPending is 1\.5/],
    [{ whenFull: 'throw' }, /^whenFull is "throw"/],
    [{ maxPixels: Number.NaN }, /^maxPixels is NaN/],
    [{ onProgress: true }, /^onProgress is true; expected a function/],
    [{ signal: new AbortController() }, /^signal is an object; expected an AbortSignal/],
    [{ variant: 'd9' }, /^variant is "d9"/],
    [{ preprocessing: 'coco' }, /^preprocessing is "coco"/],
    [{ padding: { backbon: 'same' } }, /Did you mean backbone\?/],
    [{ padding: { pool: 'same' } }, /^padding\.pool is "same"; expected one of 'infinity', 'zero'/],
    [{ anchors: { scales: [] } }, /^anchors\.scales is a list of 0; expected a list of numbers/],
    [{ anchors: { scales: '1,2' } }, /^anchors\.scales is "1,2"/],
    [{ anchors: { scales: [1, -1] } }, /^a scale in anchors\.scales is -1/],
    [
      { anchors: { ratios: [1, 2] } },
      /^anchors\.ratios is a list of 2; expected a list of \[width, height\] pairs/,
    ],
    [{ anchors: { ratios: '[(1, 1)]' } }, /^anchors\.ratios is "\[\(1, 1\)\]"/],
    [{ anchors: { ratios: [[1, '1']] } }, /^a side in anchors\.ratios is "1"/],
    [{ anchors: { anchorScale: Infinity } }, /^anchors\.anchorScale is Infinity/],
  ])('refuse %j', (options, message) => {
    expect(() => checkLoadOptions(options as LoadOptions)).toThrow(refusal('ERR_INVALID_OPTION', message))
  })

  it('refuse labels that are no list of texts', () => {
    for (const labels of ['person', [1], {}, null]) {
      expect(() => checkLoadOptions({ labels } as unknown as LoadOptions)).toThrow(
        refusal('ERR_LABELS', /one name per class/),
      )
    }
  })
})

describe('graph options', () => {
  it('have the defaults that are documented', () => {
    expect(checkGraphOptions({})).toEqual({
      weights: {},
      settings: { size: null, batch: 'dynamic', precision: 'float32', input: 'float32' },
    })
  })

  it('pass on what is said about the weights', () => {
    const weights: GraphOptions = {
      variant: 'd7',
      preprocessing: 'advprop',
      padding: { fpn: 'symmetric' },
      anchors: { ratios: [[2, 1]] },
      labels: ['a'],
    }
    const { settings, weights: checked } = checkGraphOptions({
      ...weights,
      size: 64,
      batch: 8,
      precision: 'fp16',
    })
    expect(checked).toEqual(weights)
    expect(settings).toEqual({
      size: { height: 64, width: 64 },
      batch: 8,
      precision: 'float16',
      input: 'float32',
    })
  })

  it('may be proxies, as frameworks make of settings, and still travel to another thread', () => {
    const observed = <T extends object>(value: T): T =>
      new Proxy(value, {
        get: (target, name) => {
          const item = Reflect.get(target, name)
          return typeof item === 'object' && item !== null ? observed(item) : item
        },
      })
    const plain: GraphOptions = {
      padding: { pool: 'zero' },
      anchors: { anchorScale: 3, scales: [1], ratios: [[2, 1]] },
      labels: ['a'],
      size: { height: 64, width: 128 },
    }
    expect(structuredClone(checkGraphOptions(observed(plain)))).toEqual(checkGraphOptions(plain))
  })

  it.each([
    [{ precision: 'float16' }, /^precision is "float16"; expected one of 'fp32', 'fp16'/],
    [{ batch: 'dynmic' }, /^batch is "dynmic"/],
    [{ batch: 0 }, /^batch is 0; expected a whole number from 1 to 1024/],
    [{ presicion: 'fp16' }, /Did you mean precision\?/],
  ])('refuse %j', (options, message) => {
    expect(() => checkGraphOptions(options as GraphOptions)).toThrow(refusal('ERR_INVALID_OPTION', message))
  })
})

describe('detect options', () => {
  it('have the defaults that are documented', () => {
    expect(checkDetectOptions({}, COCO)).toEqual({
      scoreThreshold: 0.4,
      iouThreshold: 0.5,
      maxDetections: 100,
      maxCandidates: 5000,
      nms: 'class',
      allowed: null,
    })
  })

  it('take classes by name and by id', () => {
    const { allowed } = checkDetectOptions({ classes: ['dog', 0, 'person'] }, COCO)
    const ids = allowed!.flatMap((isAllowed, classId) => (isAllowed ? [classId] : []))
    // COCO's category 18 is the dog.
    expect(ids).toEqual([0, 17])
    expect(checkDetectOptions({ classes: [] }, COCO).allowed).toEqual(new Array(90).fill(false))
  })

  it.each([
    [{ scoreThreshold: 40 }, /^scoreThreshold is 40; expected a number from 0 to 1/],
    [{ iouThreshold: -0.1 }, /^iouThreshold is -0\.1/],
    [{ maxDetections: 0 }, /^maxDetections is 0/],
    [{ maxCandidates: 1e7 }, /^maxCandidates is 10000000/],
    [{ nms: 'soft' }, /^nms is "soft"; expected one of 'class', 'agnostic'/],
    [{ classes: 'person' }, /^classes is "person"; expected a list/],
    [{ classes: ['persn'] }, /"persn"; expected a label of the model .*did you mean "person"\?/],
    [{ classes: [90] }, /is 90; expected .* a class id from 0 to 89/],
    [{ classes: [-1] }, /is -1/],
    [{ classes: [0.5] }, /is 0\.5/],
    [{ threshold: 0.3 }, /no option "threshold" in the detect options/],
    [{ scoreTreshold: 0.3 }, /Did you mean scoreThreshold\?/],
  ])('refuse %j', (options, message) => {
    expect(() => checkDetectOptions(options as DetectOptions, COCO)).toThrow(
      refusal('ERR_INVALID_OPTION', message),
    )
  })
})
