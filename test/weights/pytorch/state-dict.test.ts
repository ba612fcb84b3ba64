import { describe, expect, it } from 'vitest'

import type { PickleValue } from '#lib/weights/pytorch/pickle-values.js'
import { stateDictsIn } from '#lib/weights/pytorch/state-dict.js'
import { cpuTime } from '../../helpers/cpu-time.js'

/** A tensor as a pickle tells of it; the arguments do not matter for the choice. */
const tensor: PickleValue = {
  kind: 'object',
  class: 'torch._utils._rebuild_tensor_v2',
  args: [],
  state: null,
  items: [],
  entries: [],
}

const dict = (values: Record<string, PickleValue>): PickleValue => ({
  kind: 'dict',
  entries: Object.entries(values),
})

const object = (name: string, entries: Record<string, PickleValue> = {}): PickleValue => ({
  kind: 'object',
  class: name,
  args: [],
  state: null,
  items: [],
  entries: Object.entries(entries),
})

const weights = dict({ weight: tensor })
const decoy = dict({ decoy: tensor })

function chosen(root: PickleValue) {
  const found = stateDictsIn(root)
  if (typeof found === 'string') return found
  const { tensors, notes } = found[0]!
  return { names: [...tensors.keys()], notes }
}

describe('state dicts', () => {
  it('takes a bare state dict without remark', () => {
    expect(chosen(weights)).toEqual({ names: ['weight'], notes: [] })
    expect(chosen(object('collections.OrderedDict', { weight: tensor }))).toEqual({
      names: ['weight'],
      notes: [],
    })
  })

  it.each([
    ['state_dict_ema', 'model_ema'],
    ['model_ema', 'ema'],
    ['ema', 'state_dict'],
    ['state_dict', 'model'],
    ['model', 'model_state_dict'],
    ['model_state_dict', 'net'],
  ])('prefers "%s" to "%s"', (first, second) => {
    const choice = chosen(dict({ [second]: decoy, [first]: weights }))
    expect(choice).toMatchObject({ names: ['weight'] })
    expect(Object(choice).notes[0]).toContain(`"${first}"`)
    expect(Object(choice).notes[1]).toBe(`Ignored: ${second} (dict).`)
  })

  it.each([
    'ema_model_state_dict',
    'model_state_dict_ema',
    'avg_model',
    'swa_model',
    'averaged.module',
    'EMA',
  ])('knows averages by their names: %s', (name) => {
    expect(chosen(dict({ model: decoy, [name]: weights }))).toMatchObject({
      names: ['weight'],
      notes: [expect.stringContaining(`"${name}" (averaged over training steps)`), 'Ignored: model (dict).'],
    })
  })

  it('takes no state of an optimizer for weights, though it has their names and shapes', () => {
    for (const name of ['optimizer', 'optim.exp_avg', 'exp_avg_sq', 'momentum_buffer', 'grads']) {
      expect(chosen(dict({ [name]: decoy, detector: weights }))).toMatchObject({ names: ['weight'] })
    }
  })

  it('looks into a list or tuple', () => {
    const list: PickleValue = { kind: 'list', items: [3, weights] }
    expect(chosen(list)).toEqual({
      names: ['weight'],
      notes: ['The weights are those under "1".', 'Ignored: 0 (int).'],
    })
    expect(chosen({ kind: 'tuple', items: [weights, decoy] })).toMatchObject({
      names: ['0.weight', '1.decoy'],
    })
  })

  it('tells of all that a file holds, the likeliest first', () => {
    const root = dict({
      odd: decoy,
      model: dict({ ema: weights, net: weights }),
      state_dict_ema: weights,
      step: tensor,
    })
    const found = stateDictsIn(root)
    expect(typeof found === 'string' ? found : found.map(({ name }) => name)).toEqual([
      'state_dict_ema',
      'model.ema',
      'model.net',
      '',
      'odd',
    ])
  })

  it('passes over averages that are absent or empty', () => {
    const root = dict({
      state_dict_ema: null,
      model_ema: dict({}),
      ema: object('timm.ModelEma'),
      state_dict: weights,
    })
    expect(chosen(root)).toMatchObject({
      names: ['weight'],
      notes: [
        'The weights are those under "state_dict".',
        'Ignored: state_dict_ema (None), model_ema (dict), ema (timm.ModelEma).',
      ],
    })
  })

  it('looks into what lies deeper', () => {
    expect(chosen(dict({ ema: dict({ module: dict({ state_dict: weights }) }) }))).toMatchObject({
      names: ['weight'],
      notes: ['The weights are those under "ema.module.state_dict" (averaged over training steps).'],
    })
  })

  it('prefers a state dict inside to loose tensors beside it', () => {
    expect(chosen(dict({ step: tensor, state_dict: weights }))).toMatchObject({
      names: ['weight'],
      notes: ['The weights are those under "state_dict".', 'Ignored: step (tensor).'],
    })
  })

  it('takes those under unknown names together, with their names as prefixes', () => {
    expect(chosen(dict({ epoch: 3, detector: weights }))).toMatchObject({ names: ['weight'] })
    expect(chosen(dict({ epoch: 3, nets: dict({ generator: weights, judge: decoy }) }))).toEqual({
      names: ['nets.generator.weight', 'nets.judge.decoy'],
      notes: ['Ignored: epoch (int).'],
    })
  })

  it('leaves out what is no tensor, and says so', () => {
    expect(chosen(dict({ weight: tensor, width: 64, names: { kind: 'list', items: [] } }))).toEqual({
      names: ['weight'],
      notes: ['Left out, as they are no tensors: width (int), names (list).'],
    })
  })

  it('lists ten ignored entries and counts the rest', () => {
    const others = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`key${i}`, i]))
    expect(Object(chosen(dict({ model: weights, ...others }))).notes[1]).toMatch(
      /key9 \(int\) and 15 more\.$/,
    )
  })

  it.each([
    [
      'an object',
      object('src.model.EfficientDet'),
      /whole object of class src\.model\.EfficientDet.*torch\.save\(model\.state_dict\(\)/,
    ],
    ['a tensor', tensor, /single tensor/],
    ['a list', { kind: 'list', items: [tensor] } satisfies PickleValue, /holds a list/],
    ['None', null, /holds a None/],
    ['an empty dictionary', dict({}), /empty dictionary/],
    ['no tensors', dict({ epoch: 1 }), /without tensors: epoch \(int\)/],
    [
      'a module under a known name',
      dict({ model: object('models.yolo.Model') }),
      /without tensors: model \(models\.yolo\.Model\)/,
    ],
  ])('refuses %s', (_, root, message) => {
    expect(chosen(root)).toMatch(message)
  })

  it('looks once into a dictionary that lies in many places', () => {
    const many = (value: PickleValue) =>
      dict(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`key${i}`, value])))
    const begin = cpuTime()
    expect(chosen(many(many(many(many(dict({ epoch: 1 }))))))).toMatch(/without tensors/)
    expect(chosen(many(weights))).toMatch(/holds 2000 state dicts \("key0", .* and 1990 more\)/)
    expect(cpuTime() - begin).toBeLessThan(5000)
  })

  it('ends on a dictionary that contains itself', () => {
    const entries: [PickleValue, PickleValue][] = []
    const root: PickleValue = { kind: 'dict', entries }
    for (const key of ['model', 'state_dict', 'ema', 'a', 'b', 'c']) entries.push([key, root])
    expect(chosen(root)).toMatch(/without tensors/)
  })
})
