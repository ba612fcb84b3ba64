import { describe, expect, it } from 'vitest'
import { reparametrised } from '#lib/weights/reparametrised.js'
import type { StoredTensor } from '#lib/weights/tensor.js'
import { EXPECTED, fixture, opened } from '../helpers/checkpoints.js'
import { stored } from '../helpers/weights.js'

describe('reparametrised weights', () => {
  it('that PyTorch pruned or normalised are computed as PyTorch computes them', async () => {
    const tensors = reparametrised((await opened(fixture('reparametrised.pth'))).tensors)
    const expected = EXPECTED['reparametrised-weights.pth']
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort())
    for (const [name, { shape, values }] of Object.entries(expected)) {
      const tensor = tensors.get(name) as StoredTensor
      expect(tensor.shape).toEqual(shape)
      const found = await tensor.read()
      for (const [i, value] of values.entries()) expect(found[i]).toBeCloseTo(value, 6)
    }
  })

  it('that cannot be undone are told by their kind', async () => {
    const tensors = reparametrised((await opened(fixture('unreadable.pth'))).tensors)
    expect(Object.fromEntries([...tensors].filter(([, tensor]) => typeof tensor === 'string'))).toEqual({
      'spectral.weight': 'under spectral norm',
      'spectral_parametrised.weight': 'under spectral norm',
      'orthogonal.weight': 'under a parametrization',
    })
  })

  it.each([
    ['w_orig', [2, 3], 'w_mask', [3, 2], 'pruned by a mask of another shape'],
    ['w_g', [2, 3], 'w_v', [2, 3], 'under a weight norm of unknown shape'],
    ['w_g', [5], 'w_v', [2, 3], 'under a weight norm of unknown shape'],
  ])('of shapes that do not go together are refused: %s %j, %s %j', (first, shape, second, other, reason) => {
    const tensors = new Map([
      [first, stored(shape)],
      [second, stored(other)],
    ])
    expect(reparametrised(tensors)).toEqual(new Map([['w', reason]]))
  })

  it('whose direction was pruned are computed from what is left of it', async () => {
    const values = (shape: number[], ...data: number[]): StoredTensor => ({
      dtype: 'float32',
      shape,
      read: async () => new Float32Array(data),
    })
    const tensors = reparametrised(
      new Map([
        ['w_g', values([1, 1], 10)],
        ['w_v_orig', values([1, 3], 3, 7, 4)],
        ['w_v_mask', values([1, 3], 1, 0, 1)],
      ]),
    )
    expect([...tensors.keys()]).toEqual(['w'])
    expect([...(await (tensors.get('w') as StoredTensor).read())]).toEqual([6, 0, 8])
  })

  it.each([
    ['original0', 'original1', '1.g'],
    ['original0', 'original1', '1._u', '1._v'],
    ['original', '0.base'],
  ])('under others that cannot be undone are told: %s, %s, …', (...parts) => {
    const tensors = new Map(parts.map((part) => [`a.parametrizations.weight.${part}`, stored([1])]))
    expect(reparametrised(tensors)).toEqual(new Map([['a.weight', 'under a parametrization']]))
  })

  it('are no others: a name alone means nothing', () => {
    const tensors = new Map(['a_g', 'b_orig', 'c_v', 'd_mask'].map((name) => [name, stored([1])]))
    expect(reparametrised(tensors)).toBe(tensors)
  })
})
