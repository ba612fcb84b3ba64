import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type CocoDetection,
  cocoStats,
  type DetectionLimits,
  type EvaluateOptions,
  evaluate,
  type GroundTruth,
} from '#lib/evaluate/index.js'
import { refusal } from '../helpers/refusal.js'
import { hasShared, shared } from '../helpers/shared.js'

interface ReferenceSet {
  readonly truth: GroundTruth
  readonly detections: readonly CocoDetection[]
  readonly maxDetections: DetectionLimits
  readonly stats: readonly number[]
}

/** Seeded sets with crowds, empty pictures, ties and areas of their own, and pycocotools' numbers. */
const SETS: readonly ReferenceSet[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'evaluate', 'sets.json'), 'utf8'),
)

function expectStats(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(12)
  for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(1e-12)
}

describe('the twelve numbers', () => {
  it.each(SETS.map((set, seed) => ({ ...set, seed })))('are those of pycocotools, set $seed', (set) => {
    const { truth, detections, maxDetections, stats } = set
    expectStats(cocoStats(evaluate(truth, detections, { maxDetections })), stats)
  })

  it.runIf(hasShared)("are COCO's own on real ground truth", () => {
    const read = (name: string) => JSON.parse(readFileSync(shared(`data/cocoeval/${name}`), 'utf8'))
    const evaluation = evaluate(
      read('instances_val2014_100.json'),
      read('instances_val2014_fakebbox100_results.json'),
    )
    expectStats(cocoStats(evaluation), [
      ...[0.5045806987249628, 0.6969727247299577, 0.5729816669904824],
      ...[0.5856257209410443, 0.5193996948036719, 0.5013978986347466],
      ...[0.38681277964578054, 0.5936795762842003, 0.595352982877607],
      ...[0.6398109626113442, 0.5664205978994309, 0.5642905982905982],
    ])
    expect(evaluation.images).toBe(100)
  })
})

const TRUTH: GroundTruth = {
  images: [{ id: 1 }, { id: 2 }],
  categories: [
    { id: 1, name: 'cat' },
    { id: 2, name: 'dog' },
  ],
  annotations: [
    { image_id: 1, category_id: 1, bbox: [0, 0, 100, 100] },
    { image_id: 2, category_id: 2, bbox: [0, 0, 10, 10] },
  ],
}

const CAT: CocoDetection = { image_id: 1, category_id: 1, bbox: [0, 0, 100, 100], score: 0.5 }

describe('an evaluation', () => {
  it('tells of each category', () => {
    const { ap, categories, images, objects, detections } = evaluate(TRUTH, [CAT])
    expect([images, objects, detections]).toEqual([2, 2, 1])
    expect(ap).toBeCloseTo(0.5, 12)
    expect(categories).toMatchObject([
      {
        categoryId: 1,
        name: 'cat',
        ap: expect.closeTo(1, 12),
        apLarge: expect.closeTo(1, 12),
        apSmall: null,
        ar: [1, 1, 1],
        objects: 1,
        detections: 1,
      },
      {
        categoryId: 2,
        name: 'dog',
        ap: 0,
        apLarge: null,
        apSmall: 0,
        ar: [0, 0, 0],
        objects: 1,
        detections: 0,
      },
    ])
  })

  it('tells from which score detections are best taken', () => {
    const [first, second] = [0, 200].map((x) => ({
      image_id: 1,
      category_id: 1,
      bbox: [x, 0, 100, 100] as const,
    }))
    const truth = { ...TRUTH, annotations: [first, second] }
    const wrong = { ...CAT, bbox: [500, 0, 50, 50] as const }
    const bestOf = (scores: readonly [number, number, number, number]) => {
      const found = [first, wrong, second, wrong].map((it, i) => ({ ...it, score: scores[i] }))
      return evaluate(truth, found).categories[0].bestF1
    }
    expect(bestOf([0.9, 0.8, 0.7, 0.6])).toEqual({ score: 0.7, precision: 2 / 3, recall: 1, f1: 0.8 })
    expect(bestOf([0.9, 0.7, 0.7, 0.7])).toEqual({ score: 0.9, precision: 1, recall: 0.5, f1: 2 / 3 })
    expect(evaluate(truth, [{ ...wrong, score: 1 }]).categories[0].bestF1).toBe(null)
  })

  it.each(SETS.slice(0, 10))('has curves that fit its numbers', ({ truth, detections, maxDetections }) => {
    for (const category of evaluate(truth, detections, { maxDetections }).categories) {
      const { precisionByRecall, byScore, ap50, bestF1, objects } = category
      expect(precisionByRecall === null).toBe(objects === 0)
      expect(byScore === null).toBe(objects === 0)
      if (precisionByRecall === null || byScore === null) continue
      expect(precisionByRecall.reduce((sum, it) => sum + it, 0) / 101).toBeCloseTo(ap50 ?? Number.NaN, 12)
      expect([...byScore.recall].sort((a, b) => b - a)).toEqual(byScore.recall)
      for (const [i, f1] of byScore.f1.entries()) {
        const [precision, recall] = [byScore.precision[i], byScore.recall[i]]
        expect(f1).toBeCloseTo(recall === 0 ? 0 : (2 * precision * recall) / (precision + recall), 12)
        expect(f1).toBeLessThanOrEqual((bestF1?.f1 ?? 0) + 1e-12)
      }
    }
  })

  it('takes areas from boxes where none are told', () => {
    const told = TRUTH.annotations.map((it) => ({ ...it, area: it.bbox[2] * it.bbox[3] }))
    expect(evaluate(TRUTH, [CAT])).toEqual(evaluate({ ...TRUTH, annotations: told }, [CAT]))
  })

  it('counts detections of unknown categories nowhere', () => {
    const { unknown, ...rest } = evaluate(TRUTH, [CAT, { ...CAT, category_id: 7 }])
    expect(unknown).toBe(1)
    expect(rest).toEqual({ ...evaluate(TRUTH, [CAT]), unknown: undefined })
  })

  it('has no numbers without objects, and 0 without detections', () => {
    expect(cocoStats(evaluate({ ...TRUTH, annotations: [] }, [CAT]))).toEqual(new Array(12).fill(-1))
    expect(evaluate(TRUTH, [])).toMatchObject({ ap: 0, ar: [0, 0, 0], apMedium: null })
    expect(evaluate({ images: [], categories: [], annotations: [] }, [])).toMatchObject({
      ap: null,
      categories: [],
    })
  })

  it('names pictures by texts too', () => {
    const named = (id: unknown) => `picture ${id}`
    const truth = {
      ...TRUTH,
      images: TRUTH.images.map(({ id }) => ({ id: named(id) })),
      annotations: TRUTH.annotations.map((it) => ({ ...it, image_id: named(it.image_id) })),
    }
    expect(evaluate(truth, [{ ...CAT, image_id: named(1) }])).toEqual(evaluate(TRUTH, [CAT]))
  })
})

describe('what is refused', () => {
  const annotation = TRUTH.annotations[0]

  it.each<[string, unknown, RegExp]>([
    ['no object', null, /is null; expected an object with images, categories and annotations/],
    ['detections in its place', [], /has undefined as images/],
    ['no annotations', { ...TRUTH, annotations: 7 }, /has 7 as annotations; expected a list/],
    ['an image without an id', { ...TRUTH, images: [{}] }, /has undefined as id of images\[0\]/],
    ['an image twice', { ...TRUTH, images: [{ id: 1 }, { id: 2 }, { id: 1 }] }, /two images with the id 1/],
    ['a category twice', { ...TRUTH, categories: [{ id: 1 }, { id: 1 }] }, /two categories with the id 1/],
    ['a category of text', { ...TRUTH, categories: [{ id: 'x' }] }, /has "x" as id of categories\[0\]/],
    [
      'an unknown image',
      { ...TRUTH, annotations: [{ ...annotation, image_id: 9 }] },
      /9 as image_id of annotations\[0\]/,
    ],
    [
      'an unknown category',
      { ...TRUTH, annotations: [{ ...annotation, category_id: 9 }] },
      /no such category/,
    ],
    [
      'a box of three',
      { ...TRUTH, annotations: [{ ...annotation, bbox: [1, 2, 3] }] },
      /has no box at annotations\[0\]/,
    ],
    [
      'a box of NaN',
      { ...TRUTH, annotations: [{ ...annotation, bbox: [1, 2, 3, Number.NaN] }] },
      /has no box/,
    ],
    ['an area of text', { ...TRUTH, annotations: [{ ...annotation, area: 'x' }] }, /has "x" as area/],
    ['null as an annotation', { ...TRUTH, annotations: [null] }, /has undefined as image_id/],
  ])('of ground truth: %s', (_, truth, message) => {
    expect(() => evaluate(truth as GroundTruth, [])).toThrow(refusal('ERR_ANNOTATIONS', message))
  })

  it.each<[string, unknown, RegExp]>([
    ['no list', { a: 1 }, /is an object; expected a list with image_id/],
    [
      'an unknown image',
      [{ ...CAT, image_id: 9 }],
      /has 9 as image_id at \[0\], and the ground truth has no such/,
    ],
    ['a box that is none', [CAT, { ...CAT, bbox: null }], /has no box at \[1\]/],
    ['a negative width', [{ ...CAT, bbox: [0, 0, -1, 1] }], /has no box at \[0\]/],
    ['no score', [{ ...CAT, score: undefined }], /has undefined as score at \[0\]/],
    ['a category of text', [{ ...CAT, category_id: 'cat' }], /has "cat" as category_id/],
    ['null as a detection', [null], /has undefined as image_id/],
  ])('of detections: %s', (_, detections, message) => {
    expect(() => evaluate(TRUTH, detections as CocoDetection[])).toThrow(refusal('ERR_DETECTIONS', message))
  })

  it.each<[unknown, RegExp]>([
    [{ maxDetections: [1, 2] }, /maxDetections is a list of 2; expected a list of three numbers/],
    [{ maxDetections: [10, 1, 100] }, /ascending order/],
    [{ maxDets: [1, 10, 100] }, /There is no option "maxDets"/],
  ])('of options: %o', (options, message) => {
    expect(() => evaluate(TRUTH, [], options as EvaluateOptions)).toThrow(
      refusal('ERR_INVALID_OPTION', message),
    )
  })
})
