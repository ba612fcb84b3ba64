import { describe, expect, it } from 'vitest'

import type { ModelSpec } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { fromMetadata, toMetadata } from '#lib/weights/metadata.js'

const spec: ModelSpec = {
  architecture: {
    variant: variant('d7'),
    classes: 2,
    anchorsPerCell: 2,
    redundantBias: false,
    padding: { backbone: 'symmetric', fpn: 'same', pool: 'zero' },
  },
  anchors: { anchorScale: 5, scales: [1, 2 ** (1 / 3)], ratios: [[1 / 3, 1.4]] },
  preprocessing: { resize: 'bilinear', mean: [1, 2, 3], std: [4, 5, 6.5], fill: [7, 8, 9] },
  labels: ['grün "x"', ''],
}
const metadata = toMetadata(spec, 'zylo', 'best.pth')

describe('metadata', () => {
  it('are texts, with the names of the model, its source and its class count for people', () => {
    expect(metadata).toMatchObject({
      format: 'efficientdet-trt/1',
      model: 'd7',
      classes: '2',
      source: 'best.pth',
    })
    for (const value of Object.values(metadata)) expect(value).toBeTypeOf('string')
  })

  it('give back what was stored, numbers to the last bit', () => {
    expect(fromMetadata(metadata)).toEqual({
      model: 'd7',
      origin: 'zylo',
      preprocessing: spec.preprocessing,
      padding: spec.architecture.padding,
      anchors: spec.anchors,
      labels: spec.labels,
    })
  })

  it('of a model without labels say so', () => {
    expect(fromMetadata(toMetadata({ ...spec, labels: null }, 'effdet', ''))).toMatchObject({ labels: null })
  })

  it.each([{}, { format: 'pt' }, { model: 'd0', labels: '[]' }])(
    'of other files are none of ours: %o',
    (other) => {
      expect(fromMetadata(other)).toBeNull()
    },
  )

  it.each([
    [
      'format',
      'efficientdet-trt/2',
      /format is efficientdet-trt\/2 and this version reads efficientdet-trt\/1/,
    ],
    ['model', 'd9', /its model is "d9"/],
    ['origin', 'mmdet', /its origin is "mmdet"/],
    ['preprocessing', '{"resize":"nearest"}', /its preprocessing is \{"resize":"nearest"\}/],
    [
      'preprocessing',
      '{"resize":"bilinear","mean":[0,0,0],"std":[1,1,0],"fill":[0,0,0]}',
      /its preprocessing is/,
    ],
    ['preprocessing', '{"resize":"bilinear","mean":[0,0],"std":[1,1,1],"fill":[0,0,0]}', /preprocessing is/],
    ['padding', '{"backbone":"valid","fpn":"same","pool":"zero"}', /its padding is/],
    ['padding', 'null', /its padding is null/],
    ['anchors', '{"anchorScale":4,"scales":[],"ratios":[[1,1]]}', /its anchors is/],
    ['anchors', '{"anchorScale":4,"scales":[1],"ratios":[[1]]}', /its anchors is/],
    ['anchors', '{"anchorScale":"4","scales":[1],"ratios":[[1,1]]}', /its anchors is/],
    ['anchors', '{"anchorScale":-4,"scales":[1],"ratios":[[1,1]]}', /its anchors is/],
    ['anchors', '{"anchorScale":4,"scales":[0],"ratios":[[1,1]]}', /its anchors is/],
    ['labels', '[1]', /its labels is \[1\]/],
    ['labels', '["a"', /its labels is not JSON/],
  ])('that were tampered with are refused: %s = %s', (key, value, message) => {
    expect(() => fromMetadata({ ...metadata, [key]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_WEIGHTS', message: expect.stringMatching(message) }),
    )
  })

  it.each(['model', 'origin', 'preprocessing', 'padding', 'anchors', 'labels'])(
    'that lack %s are refused',
    (key) => {
      const { [key]: _, ...rest } = metadata
      expect(() => fromMetadata(rest)).toThrow(expect.objectContaining({ code: 'ERR_WEIGHTS' }))
    },
  )
})
