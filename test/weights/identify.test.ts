import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import { VARIANT_NAMES, type VariantName, variant } from '#lib/models/variants.js'
import { identify } from '#lib/weights/identify.js'
import { firstIdentified } from '#lib/weights/identify-state.js'
import { effdet, effdetLevelFirst } from '#lib/weights/naming/effdet.js'
import { zylo } from '#lib/weights/naming/zylo.js'
import type { StoredTensor, Tensors } from '#lib/weights/tensor.js'
import { cpuTime } from '../helpers/cpu-time.js'
import { prefixed, stored, tensorsOf } from '../helpers/weights.js'

const ZYLO = ['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7', 'd7x'] as const

const names = (tensors: ReadonlyMap<string, StoredTensor>, wanted?: VariantName) =>
  identify(tensors, { variant: wanted }).variants.map(({ name }) => name)

/** D6 and D7 have the same tensors. */
const candidates = (name: VariantName) => (name === 'd6' || name === 'd7' ? ['d6', 'd7'] : [name])

function refused(tensors: Tensors, wanted?: VariantName): EfficientDetError {
  return thrown(() => identify(tensors, { variant: wanted }))
}

function thrown(action: () => unknown): EfficientDetError {
  try {
    action()
  } catch (error) {
    if (error instanceof EfficientDetError) return error
    throw error
  }
  throw new Error('was not refused')
}

describe('size and naming', () => {
  it.each(VARIANT_NAMES)('%s is found by its tensors in the names of effdet', (name) => {
    const identified = identify(tensorsOf(name))
    expect(identified.variants.map((it) => it.name)).toEqual(candidates(name))
    expect(identified).toMatchObject({
      naming: effdet,
      prefix: '',
      classes: 90,
      anchorsPerCell: 9,
      notes: [],
    })
  })

  it.each(ZYLO)('%s is found by its tensors in the names of zylo', (name) => {
    const identified = identify(tensorsOf(name, zylo))
    expect(identified.variants.map((it) => it.name)).toEqual(candidates(name))
    expect(identified).toMatchObject({ naming: zylo, prefix: '', redundantBias: true })
  })

  it('level-first head BatchNorms are told from repeat-first ones', () => {
    expect(identify(tensorsOf('d0', effdetLevelFirst)).naming).toBe(effdetLevelFirst)
    expect(identify(tensorsOf('d0', effdetLevelFirst)).tensors).toHaveProperty('size', 676)
  })

  it('redundant biases are seen to be there or not', () => {
    expect(identify(tensorsOf('d0')).redundantBias).toBe(true)
    expect(identify(tensorsOf('d0', effdet, { redundantBias: false })).redundantBias).toBe(false)
  })

  it("effdet's own lite0 is told by its fusion weights, and has its own size and anchors", () => {
    const native = { ...variant('lite0'), fusion: 'fastattn' as const }
    const tensors = tensorsOf('lite0', effdetLevelFirst, { variant: native, redundantBias: false })
    expect(identify(tensors).variants).toEqual([{ ...native, inputSize: 384, anchorScale: 4 }])
    expect(identify(tensors, { variant: 'lite0' }).variants).toHaveLength(1)
  })

  it('a wanted size decides between sizes of the same tensors', () => {
    expect(names(tensorsOf('d7'), 'd7')).toEqual(['d7'])
    expect(names(tensorsOf('d7', zylo), 'd6')).toEqual(['d6'])
  })

  it('a wanted size that does not fit is refused', () => {
    const { code, message } = refused(tensorsOf('d0'), 'd1')
    expect(code).toBe('ERR_WEIGHTS')
    expect(message).toMatch(/do not fit d1\. Missing: .*Mis-shaped: /)
  })
})

describe('heads', () => {
  it.each([
    [1, 9],
    [20, 9],
    [90, 9],
    [1, 1],
    [3, 3],
    [90, 27],
  ])('%i classes and %i anchors per cell are found', (classes, anchorsPerCell) => {
    for (const naming of [effdet, zylo]) {
      const tensors = tensorsOf('d0', naming, { classes, anchorsPerCell })
      expect(identify(tensors)).toMatchObject({ classes, anchorsPerCell })
    }
  })

  it('a class head that the anchors of the box head do not divide is refused', () => {
    const tensors = tensorsOf('d0', zylo)
    for (const part of ['weight', 'bias']) {
      tensors.set(
        `classifier.header.pointwise_conv.conv.${part}`,
        stored(part === 'bias' ? [100] : [100, 64, 1, 1]),
      )
    }
    expect(refused(tensors).message).toMatch(
      /^classifier\.header\.pointwise_conv\.conv\.weight has 100 outputs, which the 9 anchors/,
    )
  })

  it('a box head whose outputs are no multiple of 4 is refused', () => {
    const tensors = tensorsOf('d0').set('box_net.predict.conv_pw.weight', stored([30, 64, 1, 1]))
    expect(refused(tensors).message).toMatch(/^box_net\.predict\.conv_pw\.weight has 30 outputs; expected 4/)
  })

  it('a backbone alone is refused as such', () => {
    const backbone = new Map([...tensorsOf('d0')].filter(([name]) => name.startsWith('backbone.')))
    expect(refused(backbone).message).toMatch(
      /box_net\.predict\.conv_pw\.weight is missing, so this is a backbone/,
    )
  })
})

describe('prefixes', () => {
  it.each([
    'module.',
    'model.',
    '_orig_mod.module.',
    'module._orig_mod.',
    'model.model.',
    'ema.module.model._orig_mod.',
  ])('%s is taken off, and said to be', (prefix) => {
    for (const naming of [effdet, zylo]) {
      const identified = identify(prefixed(tensorsOf('d0', naming), prefix))
      expect(identified).toMatchObject({
        naming,
        prefix,
        notes: [`Names begin with "${prefix}", which was taken off.`],
      })
      expect(identified.tensors.size).toBe(676)
    }
  })

  it.each(['_fsdp_wrapped_module.', '_forward_module._orig_mod.', 'module._checkpoint_wrapped_module.'])(
    '%s is taken off within names too',
    (wrapper) => {
      const wrapped = [...tensorsOf('d0')].map(
        ([name, tensor]) => [wrapper + name.replaceAll('.', `.${wrapper}`), tensor] as const,
      )
      const { prefix, tensors, notes } = identify(new Map(wrapped))
      expect(prefix).toBe(wrapper)
      expect(tensors.size).toBe(676)
      expect(notes).toHaveLength(1)
    },
  )

  it('of averaged weights win over those of plain ones in one file', () => {
    const averaged = prefixed(tensorsOf('d0'), 'model_ema.')
    const identified = identify(new Map([...prefixed(tensorsOf('d0'), 'model.'), ...averaged]))
    expect(identified.prefix).toBe('model_ema.')
    expect([...identified.tensors.values()].every((tensor) => [...averaged.values()].includes(tensor))).toBe(
      true,
    )
    expect(identified.notes.at(-1)).toBe(
      'The file holds several networks; "model_ema." (averaged) was used and "model." ignored.',
    )
  })

  it('of two networks without a sign which is meant are asked about, and an option answers', () => {
    const two = new Map([
      ...prefixed(tensorsOf('d0'), 'student.'),
      ...prefixed(tensorsOf('d1', zylo), 'teacher.'),
    ])
    const { code, message, details } = refused(two)
    expect(code).toBe('ERR_WEIGHTS_AMBIGUOUS')
    expect(message).toBe(
      'The file holds 2 networks (names begin with "student.", "teacher."): say which (prefix: "student."; ' +
        '--prefix on the command line).',
    )
    expect(details.prefixes).toEqual(['student.', 'teacher.'])
    for (const prefix of ['teacher', 'teacher.']) {
      const { variants, notes } = identify(two, { prefix })
      expect(variants[0].name).toBe('d1')
      expect(notes).toEqual([
        'Names begin with "teacher.", which was taken off.',
        'The file holds several networks; "teacher." (as given) was used and "student." ignored.',
      ])
    }
  })

  it('that no network has are refused with those there are', () => {
    const { code, message } = thrown(() => identify(prefixed(tensorsOf('d0'), 'model.'), { prefix: 'net' }))
    expect(code).toBe('ERR_INVALID_OPTION')
    expect(message).toBe('prefix is "net", and the names of networks in the file begin with "model.".')
  })

  it.each(['ema_model.', 'averaged_model.module.', 'swa_model.', 'avg.'])(
    'of averages are known: %s',
    (prefix) => {
      const both = [...prefixed(tensorsOf('d0'), 'model.'), ...prefixed(tensorsOf('d0'), prefix)]
      expect(identify(new Map(both)).prefix).toBe(prefix)
    },
  )

  it('of a broken network lose against those of a whole one, averaged or not', () => {
    const broken = prefixed(tensorsOf('d0'), 'model_ema.')
    broken.delete('model_ema.backbone.bn1.weight')
    const { prefix, notes } = identify(new Map([...broken, ...prefixed(tensorsOf('d0'), 'model.')]))
    expect(prefix).toBe('model.')
    expect(notes.at(-1)).toContain('"model." (the only whole one) was used and "model_ema." ignored')
  })
})

describe('what lies beside a network', () => {
  const beside = (prefix: string, ...names: string[]) =>
    identify(
      new Map([...prefixed(tensorsOf('d0'), prefix), ...names.map((name) => [name, stored([1])] as const)]),
    )

  it.each([
    ['model.', 'anchors.boxes'],
    ['model.model.', 'model.anchors.boxes'],
    ['module.model.', 'module.anchors.boxes'],
    ['', 'backbone.bn1.num_batches_tracked'],
  ])('of "%s" and is known to be no weight, is passed over: %s', (prefix, name) => {
    expect(beside(prefix, name).notes).toHaveLength(prefix === '' ? 0 : 1)
  })

  it.each([
    ['', 'loss.weight'],
    ['', 'extra.head.weight'],
    ['model.', 'criterion.weight'],
    ['model.model.', 'val_map.num'],
    ['model.model.', 'model.anchor_labeler.anchors'],
    ['module.', 'n_averaged'],
    ['detector.', 'classifier.backbone.conv_stem.weight'],
  ])('of "%s" is ignored and named: %s', (prefix, name) => {
    const { notes, tensors } = beside(prefix, name)
    expect(tensors.size).toBe(676)
    expect(notes.at(-1)).toBe(`Ignored, as it is no part of the network: ${name}.`)
  })

  it('is named up to ten, and counted beyond', () => {
    const names = Array.from({ length: 33 }, (_, i) => `extra.${i}`)
    expect(beside('', ...names).notes).toEqual([
      expect.stringMatching(/^Ignored, as it is no part of the network: extra\.0, .*extra\.9 and 23 more\.$/),
    ])
  })

  it.each(['backbone.blocks.0.9.conv_dw.weight', 'fpn.cell.3.fnode.0.combine.edge_weights', 'box_net.extra'])(
    'is not what lies within: %s means another network',
    (name) => {
      const tensors = prefixed(tensorsOf('d0').set(name, stored([1])), 'model.')
      expect(refused(tensors).message).toContain(`Unexpected: ${name}.`)
    },
  )
})

describe('weights that cannot be read', () => {
  it('are named with the reason, instead of as missing', () => {
    const tensors = new Map<string, StoredTensor | string>(prefixed(tensorsOf('d0'), 'model.'))
    tensors.set('model.backbone.bn1.bias', 'quantized').set('model.fpn.cell.0.fnode.0.x', 'sparse')
    const { code, message, details } = refused(tensors)
    expect(code).toBe('ERR_WEIGHTS')
    expect(message).toMatch(
      /^Weights of the network cannot be read: model\.backbone\.bn1\.bias \(quantized\), .*\(sparse\)\. Save/,
    )
    expect(details.unreadable).toHaveLength(2)
  })

  it('are named where all of them are so', () => {
    const meta = new Map([...tensorsOf('d0')].map(([name]) => [name, 'on the meta device, without values']))
    expect(refused(meta).message).toContain('backbone.conv_stem.weight (on the meta device, without values)')
  })

  it('do no harm beside the network', () => {
    const tensors = new Map<string, StoredTensor | string>(tensorsOf('d0')).set('extra.weight', 'quantized')
    expect(identify(tensors).tensors.size).toBe(676)
  })

  it('are found under reparametrisations that cannot be undone', () => {
    const tensors = tensorsOf('d0')
    const stem = tensors.get('backbone.conv_stem.weight')!
    tensors.delete('backbone.conv_stem.weight')
    for (const part of ['orig', 'u', 'v']) tensors.set(`backbone.conv_stem.weight_${part}`, stem)
    expect(refused(tensors).message).toContain('backbone.conv_stem.weight (under spectral norm)')
  })
})

describe('many networks', () => {
  it('are refused in time that grows with their number alone', () => {
    const stem = stored([32, 3, 3, 3])
    const names = Array.from({ length: 100_000 }, (_, i) => `n${i}.backbone.conv_stem.weight`)
    const tensors = new Map([...names, 'fpn.'.repeat(1e6)].map((name) => [name, stem]))
    const begin = cpuTime()
    expect(refused(tensors).message).toMatch(
      /^n0\.box_net\.predict\.conv_pw\.weight is missing, so this is a backbone/,
    )
    expect(cpuTime() - begin).toBeLessThan(5000)
  })
})

describe('every tensor', () => {
  it.each([effdet, zylo])('is used exactly once ($origin)', (naming) => {
    const tensors = tensorsOf('d0', naming)
    const used = [...identify(tensors).tensors.values()]
    expect(new Set(used).size).toBe(used.length)
    expect(new Set(used)).toEqual(new Set(tensors.values()))
  })

  it('may have a counter beside it', () => {
    const tensors = tensorsOf('d0').set('backbone.bn1.num_batches_tracked', stored([]))
    expect(identify(tensors).tensors.size).toBe(676)
  })

  it.each(ZYLO.slice(6))('of %s may have fusion weights beside it that zylo does not use', (name) => {
    const tensors = tensorsOf(name, zylo)
    for (const weight of ['p6_w1', 'p4_w2']) tensors.set(`bifpn.0.${weight}`, stored([2]))
    expect(names(tensors)).toEqual(candidates(name))
  })
})

describe('misfits', () => {
  it('are all named in one error', () => {
    const tensors = tensorsOf('d0', zylo)
    tensors.delete('bifpn.1.conv4_down.bn.bias')
    tensors.set('bifpn.1.attention.weight', stored([64]))
    tensors.set('bifpn.1.conv4_down.pointwise_conv.conv.weight', stored([64, 63, 1, 1]))
    const { code, message, details } = refused(tensors)
    expect(code).toBe('ERR_WEIGHTS')
    expect(message).toBe(
      'The tensors (zylo117/Yet-Another-EfficientDet-Pytorch (zylo)) do not fit any EfficientDet; nearest is d0. ' +
        'Missing: bifpn.1.conv4_down.bn.bias. ' +
        'Unexpected: bifpn.1.attention.weight. ' +
        'Mis-shaped: bifpn.1.conv4_down.pointwise_conv.conv.weight [64, 63, 1, 1] instead of [64, 64, 1, 1].',
    )
    expect(details).toMatchObject({ nearest: 'd0', missing: ['bifpn.1.conv4_down.bn.bias'] })
  })

  it('are shown up to ten of each kind, and counted beyond', () => {
    const tensors = tensorsOf('d0')
    const removed = [...tensors.keys()].filter((name) => name.startsWith('fpn.cell.2.')).slice(0, 40)
    for (const name of removed) tensors.delete(name)
    for (let i = 0; i < 33; i++) tensors.set(`fpn.extra.${i}`, stored([1]))
    const { message, details } = refused(tensors)
    expect(message).toContain(`Missing: ${removed.slice(0, 10).join(', ')} and 30 more.`)
    expect(message).toMatch(/Unexpected: fpn\.extra\.0, .*extra\.9 and 23 more\./)
    expect(message.length).toBeLessThan(1500)
    expect(details.missing).toEqual(removed)
    expect(details.unexpected).toHaveLength(33)
  })

  it('cut names that are too long to read', () => {
    const { message, details } = refused(tensorsOf('d0').set(`fpn.${'x'.repeat(1e6)}`, stored([1])))
    expect(message.length).toBeLessThan(500)
    expect(details.unexpected).toEqual([`fpn.${'x'.repeat(1e6)}`])
  })

  it('name the nearest size', () => {
    const tensors = tensorsOf('d3')
    tensors.delete('fpn.cell.5.fnode.7.after_combine.conv.bn.bias')
    expect(refused(tensors).message).toMatch(/nearest is d3\./)
  })
})

describe('stems', () => {
  it.each([1, 4, 6])('of %i channels are refused with their name and shape', (channels) => {
    const name = 'backbone_net.model._conv_stem.conv.weight'
    const tensors = prefixed(tensorsOf('d0', zylo).set(name, stored([32, channels, 3, 3])), 'module.')
    expect(refused(tensors).message).toMatch(
      new RegExp(
        `stem module\\.${name} has shape \\[32, ${channels}, 3, 3\\]: it takes ${channels} channels`,
      ),
    )
  })

  it('that are no convolution are refused', () => {
    expect(refused(tensorsOf('d0').set('backbone.conv_stem.weight', stored([32]))).message).toMatch(
      /has shape \[32\]/,
    )
  })
})

describe('other families', () => {
  const twenty = (first: readonly string[]) =>
    new Map(
      [...first, ...Array.from({ length: 20 }, (_, i) => `layer${i}.weight`)].map((name) => [
        name,
        stored([1]),
      ]),
    )

  it.each([
    ['toandaominh1997', ['bbox_head.retina_cls.weight', 'neck.stack_bifpn_convs.0.w1']],
    ['signatrix', ['conv3.weight', 'bifpn.0.conv6_up.conv.0.weight']],
    ['signatrix', ['module.bifpn.0.conv6_up.conv.0.weight']],
    ['mmdetection', ['backbone.layers.0.conv.weight', 'bbox_head.cls_header.pointwise_conv.bias']],
    ['ultralytics', ['model.0.conv.weight', 'model.0.bn.weight']],
    ['torchvision', ['backbone.body.conv1.weight']],
  ])('are named in one line: %s', (family, tensors) => {
    const { code, message } = refused(twenty(tensors))
    expect(code).toBe('ERR_WEIGHTS')
    expect(message).toMatch(new RegExp(`^These are weights of ${family}`))
    expect(message.length).toBeLessThan(200)
  })

  it('that nobody knows are shown by three names', () => {
    expect(refused(twenty([])).message).toBe(
      'None of the 20 tensors is the stem of an EfficientDet (layer0.weight, layer1.weight, layer2.weight ' +
        'and 17 more). ' +
        "Expected effdet's backbone.conv_stem.weight or zylo's backbone_net.model._conv_stem.conv.weight.",
    )
  })
})

describe('of several state dicts', () => {
  const state = (name: string, tensors: ReadonlyMap<string, StoredTensor>) => ({
    name,
    tensors,
    unreadable: new Map<string, string>(),
    notes: [],
  })
  const broken = new Map([...tensorsOf('d0')].slice(1))
  const whole = state('model', tensorsOf('d0'))

  it('the likeliest is taken', () => {
    const found = firstIdentified({ ...whole, others: [() => expect.unreachable()] }, {})
    expect(found.state.name).toBe('model')
  })

  it('the next is taken where the likeliest is no whole network, and that is said', () => {
    const others = [() => state('odd', broken), () => whole]
    const { state: taken, identified } = firstIdentified({ ...state('ema', broken), others }, {})
    expect(taken.name).toBe('model')
    expect(taken.notes).toEqual(['Passed over, as it holds no whole network: "ema".'])
    expect(identified.variants[0].name).toBe('d0')
  })

  it('the likeliest is told of where none is a whole network', () => {
    const missing = new Map([...tensorsOf('d0')].slice(0, -1))
    const others = [() => state('model', new Map([['a', stored([1])]]))]
    const { code, message } = thrown(() => firstIdentified({ ...state('ema', missing), others }, {}))
    expect([code, message]).toEqual(['ERR_WEIGHTS', expect.stringMatching(/Missing: /)])
  })
})

describe('tensors of other types and shapes are refused', () => {
  it('as a head that is built otherwise', () => {
    const dense = new Map(
      [...tensorsOf('d0')].map(([name, tensor]) => [
        name.replace(/_net\.predict\.conv_pw/, '_net.predict.conv'),
        tensor,
      ]),
    )
    expect(refused(dense).message).toMatch(/box_net\.predict\.conv_pw\.weight is missing, so .* other heads/)
  })

  const changed = (name: string, tensor: Partial<StoredTensor>) =>
    refused(new Map([...tensorsOf('d0'), [name, { ...tensorsOf('d0').get(name)!, ...tensor }]]))

  it.each(['int8', 'uint8', 'int64', 'bool'] as const)('as weights, whole numbers of %s', (dtype) => {
    expect(changed('backbone.bn1.weight', { dtype })).toMatchObject({
      code: 'ERR_WEIGHTS',
      message: expect.stringContaining(`cannot be read: backbone.bn1.weight (${dtype})`),
    })
  })

  it.each([
    ['backbone.conv_stem.weight', [], /shape \[\]; expected that of a convolution/],
    ['class_net.predict.conv_pw.weight', [0, 64, 1, 1], /has shape \[0, 64, 1, 1\], without outputs/],
  ])('%s of shape %j', (name, shape, message) => {
    expect(changed(name, { shape }).message).toMatch(message)
  })
})
