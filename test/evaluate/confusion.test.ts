import { describe, expect, it } from 'vitest'
import { confusion, type GroundTruth, judgePictures } from '#lib/evaluate/index.js'
import { refusal } from '../helpers/refusal.js'

const at = (x: number) => [x, 0, 100, 100] as const

const TRUTH: GroundTruth = {
  images: [{ id: 1 }, { id: 2 }],
  categories: [
    { id: 5, name: 'dog' },
    { id: 3, name: 'cat' },
  ],
  annotations: [
    { image_id: 1, category_id: 3, bbox: at(0) },
    { image_id: 1, category_id: 5, bbox: at(200) },
    { image_id: 1, category_id: 5, bbox: at(400) },
    { image_id: 2, category_id: 3, bbox: [0, 0, 1000, 1000], iscrowd: 1 },
  ],
}

const found = (x: number, category_id: number, score = 0.9, image_id = 1) => {
  return { image_id, category_id, bbox: at(x), score }
}

describe('the confusion matrix', () => {
  it('tells what is found, taken for another, missed and not there', () => {
    const detections = [found(0, 3), found(210, 3), found(600, 5), found(5, 3, 0.5), found(400, 5, 0.1)]
    const { categories, matrix } = confusion(TRUTH, detections)
    expect(categories.map(({ name }) => name)).toEqual(['cat', 'dog'])
    expect(matrix).toEqual([
      [1, 0, 0],
      [1, 0, 1],
      [1, 1, 0],
    ])
  })

  it('gives an object to the detection that fits best, whatever its score and category', () => {
    const { matrix } = confusion(TRUTH, [found(30, 3, 0.99), found(1, 5, 0.3)])
    expect(matrix[0]).toEqual([0, 1, 0])
    expect(matrix[2]).toEqual([1, 0, 0])
  })

  it('counts nobody in a crowd', () => {
    const { matrix } = confusion(TRUTH, [found(0, 3, 0.9, 2), found(300, 5, 0.9, 2), found(5000, 5, 0.9, 2)])
    expect(matrix[2]).toEqual([0, 1, 0])
    expect(matrix.map((row) => row[2])).toEqual([1, 2, 0])
  })

  it('goes by the score and the overlap that are asked for', () => {
    const detections = [found(40, 3, 0.1)]
    expect(confusion(TRUTH, detections, { score: 0.05, overlap: 0.4 }).matrix[0]).toEqual([1, 0, 0])
    expect(confusion(TRUTH, detections, { score: 0.05 }).matrix[0]).toEqual([0, 0, 1])
    expect(() => confusion(TRUTH, [], { score: 2 })).toThrow(refusal('ERR_INVALID_OPTION', /score is 2/))
  })
})

describe('the judgement of pictures', () => {
  it('tells the worst first', () => {
    const detections = [found(0, 3), found(210, 3), found(600, 5), found(5000, 5, 0.9, 2)]
    expect(judgePictures(TRUTH, detections)).toEqual([
      { imageId: 1, right: 1, mistaken: 1, missed: 1, unfounded: 1 },
      { imageId: 2, right: 0, mistaken: 0, missed: 0, unfounded: 1 },
    ])
  })
})
