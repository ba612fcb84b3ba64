import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { COCO_LABELS } from '#lib/models/labels.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { type ModelSpec, officialArchitecture } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { checkDetectOptions, type DetectOptions } from '#lib/options/detect.js'
import { checkExportOptions, type ExportOptions } from '#lib/options/export.js'
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
      inputSize: null,
      threads: availableParallelism(),
      backendLibrary: null,
      libraryPath: null,
      engine: {
        family: null,
        precision: 'fp16',
        workspaceBytes: 0,
        optimisationLevel: -1,
        versionCompatible: false,
        hardwareCompatible: false,
        onMismatch: 'rebuild',
        checkMemory: true,
        selfTest: true,
        allowHostCode: false,
      },
      devices: [0],
      contexts: null,
      maxBatchSize: 8,
      maxBatchDelay: 2,
      inferenceDeadline: 60_000,
      maxPending: expect.any(Number),
      maxPendingBytes: expect.any(Number),
      whenFull: 'wait',
      maxPixels: 100_000_000,
      signal: undefined,
      onProgress: expect.any(Function),
    })
  })

  it.each([
    [{ backend: 'cuda' }, /^backend is "cuda"; expected one of 'auto', 'tensorrt', 'cpu'/],
    [{ backend: 'tensort' }, /did you mean 'tensorrt'\?/],
    [{ threads: 0 }, /^threads is 0; expected a whole number from 1 to 256/],
    [{ device: [] }, /^device is a list of 0; expected the number of a GPU or a list of different ones/],
    [{ device: [1, 1] }, /^device is a list of 2; expected the number of a GPU or a list of different ones/],
    [{ device: [16] }, /^a number in device is 16/],
    [{ device: 16 }, /^device is 16; expected a whole number from 0 to 15/],
    [{ devices: [0] }, /Did you mean device\?/],
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

describe('options that throw when they are looked at', () => {
  const fail = () => {
    throw new RangeError('as told')
  }

  it.each<[string, object]>([
    ['a getter', Object.defineProperty({}, 'threads', { get: fail, enumerable: true })],
    ['a trap', new Proxy({}, { ownKeys: fail })],
    ['a trap further inside', { inputSize: new Proxy({}, { get: fail }) }],
  ])('are refused: %s', (_, options) => {
    expect(() => checkLoadOptions(options)).toThrow(
      refusal('ERR_INVALID_OPTION', /^Looking at the load options throws: as told\./),
    )
  })
})

describe('graph options', () => {
  it('have the defaults that are documented', () => {
    expect(checkExportOptions({})).toEqual({
      weights: {},
      settings: { inputSize: null, batch: 'dynamic', precision: 'fp32', input: 'fp32' },
    })
  })

  it('pass on what is said about the weights', () => {
    const weights: ExportOptions = {
      variant: 'd7',
      preprocessing: 'advprop',
      padding: { fpn: 'symmetric' },
      anchors: { ratios: [[2, 1]] },
      labels: ['a'],
    }
    const { settings, weights: checked } = checkExportOptions({
      ...weights,
      inputSize: 64,
      batch: 8,
      precision: 'fp16',
    })
    expect(checked).toEqual(weights)
    expect(settings).toEqual({
      inputSize: { height: 64, width: 64 },
      batch: 8,
      precision: 'fp16',
      input: 'fp32',
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
    const plain: ExportOptions = {
      padding: { pool: 'zero' },
      anchors: { anchorScale: 3, scales: [1], ratios: [[2, 1]] },
      labels: ['a'],
      inputSize: { height: 64, width: 128 },
    }
    expect(structuredClone(checkExportOptions(observed(plain)))).toEqual(checkExportOptions(plain))
  })

  it.each([
    [{ precision: 'float16' }, /^precision is "float16"; expected one of 'fp32', 'fp16'/],
    [{ batch: 'dynmic' }, /^batch is "dynmic"/],
    [{ batch: 0 }, /^batch is 0; expected a whole number from 1 to 1024/],
    [{ presicion: 'fp16' }, /Did you mean precision\?/],
    [{ detections: 0 }, /^detections is 0; expected a whole number from 1 to 65536/],
  ])('refuse %j', (options, message) => {
    expect(() => checkExportOptions(options as ExportOptions)).toThrow(refusal('ERR_INVALID_OPTION', message))
  })
})

describe('detect options', () => {
  /** The thresholds of classes that are wanted, by class id. */
  const wanted = (options: DetectOptions, spec = COCO) => {
    const { scoreThresholds } = checkDetectOptions(options, spec).parameters
    expect(scoreThresholds).toHaveLength(spec.architecture.classes)
    const entries = [...scoreThresholds.entries()].filter(([, threshold]) => threshold !== 2)
    return Object.fromEntries(entries.map(([classId, threshold]) => [classId, Number(threshold.toFixed(6))]))
  }
  const everywhere = (threshold: number) =>
    Object.fromEntries(Array.from({ length: 90 }, (_, i) => [i, threshold]))

  it('have the defaults that are documented', () => {
    expect(checkDetectOptions({}, COCO).parameters).toEqual({
      scoreThresholds: new Float32Array(90).fill(0.4),
      iouThreshold: 0.5,
      maxDetections: 100,
      preNmsTopK: 5000,
      nms: 'class',
    })
  })

  it('take classes by name and by id', () => {
    // COCO's category 18 is the dog.
    expect(wanted({ classes: ['dog', 0, 'person'] })).toEqual({ 0: 0.4, 17: 0.4 })
    expect(wanted({ classes: ['17', 'class 11'], scoreThreshold: 0.2 })).toEqual({ 11: 0.2, 17: 0.2 })
    expect(wanted({ classes: [] })).toEqual({})
  })

  it('take thresholds of classes in place of the one for all', () => {
    const thresholds = { person: 0.6, 'traffic light': 0, 17: 1 }
    expect(wanted({ scoreThreshold: 0.3, classThresholds: thresholds })).toEqual({
      ...everywhere(0.3),
      0: 0.6,
      9: 0,
      17: 1,
    })
    expect(wanted({ classThresholds: {} })).toEqual(everywhere(0.4))
    // Which classes are wanted is another matter.
    expect(wanted({ classes: ['person', 'car'], classThresholds: thresholds })).toEqual({ 0: 0.6, 2: 0.4 })
  })

  it('take digits for a label where one is the same, else for a class id', () => {
    const digits = { ...COCO, labels: Array.from({ length: 90 }, (_, i) => String(i + 1)) }
    expect(wanted({ classes: ['1', 0] }, digits)).toEqual({ 0: 0.4 })
    expect(wanted({ classes: ['0', 1, '90'] }, digits)).toEqual({ 0: 0.4, 1: 0.4, 89: 0.4 })
  })

  it('take the first of classes that have one name', () => {
    const twins = { ...COCO, labels: ['cat', 'dog', 'dog'] }
    expect(wanted({ classes: ['dog'] }, twins)).toEqual({ 1: 0.4 })
    expect(wanted({ classes: [89] }, twins)).toEqual({ 89: 0.4 })
  })

  it('give calls that want the same one array, and never write to one that they gave', () => {
    const of = (options: DetectOptions) => checkDetectOptions(options, COCO).parameters.scoreThresholds
    const first = of({})
    expect(of({ iouThreshold: 0.7 })).toBe(first)
    expect(of({ scoreThreshold: 0.4 })).toBe(first)
    expect(() => of({ scoreThreshold: 0.9, classes: ['persn'] })).toThrow()
    const dogs = of({ classes: ['dog'] })
    expect(of({ classes: [17] })).toBe(dogs)
    expect(of({ scoreThreshold: 0.1 })).not.toBe(dogs)
    expect(first).toEqual(new Float32Array(90).fill(0.4))
    expect(dogs[17]).toBe(Math.fround(0.4))
    expect(dogs[16]).toBe(2)
  })

  it.each([
    [{ scoreThreshold: 40 }, /^scoreThreshold is 40; expected a number from 0 to 1/],
    [{ iouThreshold: -0.1 }, /^iouThreshold is -0\.1/],
    [{ maxDetections: 0 }, /^maxDetections is 0/],
    [{ preNmsTopK: 1e7 }, /^preNmsTopK is 10000000/],
    [{ nms: 'soft' }, /^nms is "soft"; expected one of 'class', 'agnostic'/],
    [{ classes: 'person' }, /^classes is "person"; expected a list/],
    [{ classes: ['persn'] }, /"persn"; expected a label of the model .*did you mean "person"\?/],
    [{ classes: ['90'] }, /is "90"; expected .* a class id from 0 to 89/],
    [{ classes: [''] }, /^an entry of classes is ""/],
    [{ classThresholds: 0.3 }, /^classThresholds is 0\.3; expected an object such as \{ person: 0\.6 \}/],
    [{ classThresholds: [0.3] }, /^classThresholds is a list of 1; expected an object/],
    [
      { classThresholds: new Map([['person', 0.3]]) },
      /^classThresholds is an object; expected an object such as/,
    ],
    [{ classThresholds: null }, /^classThresholds is null/],
    [
      { classThresholds: { persn: 0.3 } },
      /^a name in classThresholds is "persn"; expected .*did you mean "person"\?/,
    ],
    [{ classThresholds: { 90: 0.3 } }, /^a name in classThresholds is "90"; expected .* from 0 to 89/],
    [{ classThresholds: { person: 40 } }, /^the threshold of "person" is 40; expected a number from 0 to 1/],
    [{ classThresholds: { person: undefined } }, /^the threshold of "person" is undefined/],
    [{ classThreshold: { person: 0.6 } }, /Did you mean classThresholds\?/],
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
