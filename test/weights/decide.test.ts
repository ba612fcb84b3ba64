import { describe, expect, it } from 'vitest'

import { EfficientDetError } from '#lib/base/errors.js'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { COCO_LABELS } from '#lib/models/labels.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { variant } from '#lib/models/variants.js'
import { ask, checkLabels, decide, specOf, type WeightsOptions } from '#lib/weights/decide.js'
import { identify } from '#lib/weights/identify.js'
import type { StoredSpec } from '#lib/weights/metadata.js'
import { effdet, effdetLevelFirst } from '#lib/weights/naming/effdet.js'
import { zylo } from '#lib/weights/naming/zylo.js'
import { tensorsOf } from '../helpers/weights.js'

const D0 = identify(tensorsOf('d0'))
const NATIVE_D0 = identify(tensorsOf('d0', effdet, { redundantBias: false }))
const D4 = identify(tensorsOf('d4'))
const D6 = identify(tensorsOf('d7'))
const LITE0 = identify(tensorsOf('lite0'))
const ZYLO_D0 = identify(tensorsOf('d0', zylo))
const ZYLO_D6 = identify(tensorsOf('d7', zylo))

const decided = (identified: typeof D0, file: string, options: WeightsOptions = {}, arch: string[] = []) =>
  decide(identified, [file, ...arch], options, null)

function thrown(action: () => unknown): EfficientDetError {
  try {
    action()
  } catch (error) {
    if (error instanceof EfficientDetError) return error
  }
  throw new Error('nothing was thrown')
}

describe('size', () => {
  it.each([D6, ZYLO_D6])('is asked for where D6 and D7 fit ($naming.origin)', (identified) => {
    const { spec, questions } = decided(identified, 'best.pth')
    expect(spec).toBeNull()
    expect(questions).toEqual([
      {
        option: 'variant',
        text:
          "The tensors fit d6 and d7, which differ in input size and anchors: say which (variant: 'd6' or 'd7'; " +
          '--variant on the command line).',
      },
    ])
  })

  it.each([
    ['efficientdet-d7.pth', 'd7'],
    ['efficientdet-d6_best.pth', 'd6'],
    ['tf_efficientdet_d7_53-6d1d7a95.pth', 'd7'],
    ['D7.pth', 'd7'],
    ['run3_d6_epoch_40.pth', 'd6'],
  ])('is taken from the name %s, and that is said', (file, size) => {
    const { spec, notes } = decided(ZYLO_D6, file)
    expect(spec).toMatchObject({ architecture: { variant: variant(size === 'd6' ? 'd6' : 'd7') } })
    expect(notes).toContain(`d6 and d7 have the same tensors; ${size} by the name "${file}".`)
    // A D7's anchors are a quarter larger than those of the D6 with the same tensors.
    expect(spec?.anchors.anchorScale).toBe(size === 'd6' ? 4 : 5)
  })

  it.each(['d71.pth', 'best.pth', 'weld7.pth', 'efficientdet-d5.pth', 'd7x.pth'])(
    'is not taken from the name %s',
    (file) => expect(decided(ZYLO_D6, file).spec).toBeNull(),
  )
})

describe('preprocessing', () => {
  it.each(['x.pth', 'd0_best.pth', 'best_ap50.pth'])(
    "is assumed to be ImageNet's for a file named %s, and that is said",
    (file) => {
      const { spec, notes, questions } = decided(D0, file)
      expect(spec?.preprocessing).toEqual(preprocessingOf('effdet', 'imagenet'))
      expect(questions).toEqual([])
      expect(notes).toContain(
        "Preprocessing: imagenet, assumed. The tensors cannot tell AdvProp's weights, whose official files are " +
          "named _ap: for those say so (preprocessing: 'advprop'; --preprocessing advprop).",
      )
    },
  )

  it.each([
    ['tf_efficientdet_d0_ap.pth', 'advprop'],
    ['tf_efficientdet_d0_ap-d0cdbd0a.pth', 'advprop'],
    ['d0_ap.pth', 'advprop'],
    ['tf_efficientdet_d0_34-f153e0cf.pth', 'imagenet'],
    ['efficientdet_d0.pth', 'imagenet'],
  ] as const)('is taken from the name %s, and that is said', (file, normalization) => {
    const { spec, notes } = decided(D0, file)
    expect(spec?.preprocessing).toEqual(preprocessingOf('effdet', normalization))
    expect(notes).toContain(
      `Preprocessing: ${normalization}, by the name "${file}"; the tensors cannot tell.`,
    )
  })

  it('is taken from the architecture that timm stored', () => {
    const { spec, notes } = decided(D0, 'model_best.pth.tar', {}, ['tf_efficientdet_d0_ap'])
    expect(spec?.preprocessing).toEqual(preprocessingOf('effdet', 'advprop'))
    expect(notes.join()).toContain('by the name "tf_efficientdet_d0_ap"')
    // A size in the file's name says less than a whole configuration.
    const short = decided(D0, 'd0_best.pth', {}, ['tf_efficientdet_d0_ap'])
    expect(short.spec?.preprocessing).toEqual(preprocessingOf('effdet', 'advprop'))
  })

  it('is what the caller says, whatever the name says', () => {
    const { spec, notes } = decided(D0, 'tf_efficientdet_d0_ap.pth', { preprocessing: 'imagenet' })
    expect(spec?.preprocessing).toEqual(preprocessingOf('effdet', 'imagenet'))
    expect(notes.join()).not.toContain('Preprocessing')
  })

  it('needs no remark for lite models, zylo and the large sizes', () => {
    expect(decided(LITE0, 'x.pth').spec?.preprocessing).toEqual(preprocessingOf('effdet', 'lite'))
    expect(decided(ZYLO_D0, 'x.pth').spec?.preprocessing).toEqual(preprocessingOf('zylo', 'imagenet'))
    expect(decided(D6, 'x.pth', { variant: 'd6' }).notes.join()).not.toContain('Preprocessing')
  })
})

describe('padding', () => {
  const padding = (identified: typeof D0, file: string, options: WeightsOptions = {}) => {
    const { spec, notes } = decided(identified, file, { preprocessing: 'imagenet', ...options })
    return { ...spec?.architecture.padding, why: notes.find((note) => note.startsWith('Padding')) }
  }

  it("is zylo's own for zylo's names, without a remark", () => {
    expect(padding(ZYLO_D0, 'x.pth')).toEqual({
      backbone: 'same',
      fpn: 'same',
      pool: 'zero',
      why: undefined,
    })
  })

  it('is said to be assumed, why, and how to change it', () => {
    expect(padding(D0, 'x.pth')).toEqual({
      backbone: 'same',
      fpn: 'same',
      pool: 'infinity',
      why:
        "Padding: backbone same, BiFPN same, assumed because the BiFPN's convolutions have redundant biases, as " +
        "TensorFlow's weights. The tensors cannot tell: if results are poor, try others (padding: { backbone, fpn }; " +
        '--backbone-padding, --fpn-padding).',
    })
    expect(padding(NATIVE_D0, 'x.pth')).toMatchObject({
      backbone: 'symmetric',
      fpn: 'symmetric',
      why: expect.stringContaining("no redundant biases, as effdet's native weights"),
    })
  })

  // effdet's model_config.py: efficientdet_d4 has a symmetric backbone, but pads its BiFPN as TensorFlow does.
  it.each([
    ['efficientdet_d4.pth', 'symmetric', 'same'],
    ['tf_efficientdet_d4.pth', 'same', 'same'],
  ])('is that of the configuration named %s', (file, backbone, fpn) => {
    expect(padding(D4, file)).toMatchObject({
      backbone,
      fpn,
      why: expect.stringContaining(`assumed by the name "${file}"`),
    })
  })

  it('is what the caller says, in part or as a whole', () => {
    const part = padding(D0, 'x.pth', { padding: { backbone: 'symmetric' } })
    expect(part).toMatchObject({ backbone: 'symmetric', fpn: 'same', pool: 'infinity' })
    expect(part.why).toContain('Padding: backbone symmetric, BiFPN same')
    const whole = { backbone: 'symmetric', fpn: 'symmetric', pool: 'zero' } as const
    expect(padding(D0, 'x.pth', { padding: whole })).toEqual({ ...whole, why: undefined })
  })

  it("is symmetric in the backbone only for effdet's own lite0", () => {
    const native = { ...variant('lite0'), fusion: 'fastattn' as const }
    const tensors = tensorsOf('lite0', effdetLevelFirst, { variant: native, redundantBias: false })
    expect(padding(identify(tensors), 'x.pth')).toMatchObject({ backbone: 'symmetric', fpn: 'same' })
  })
})

describe('anchors', () => {
  const three = identify(tensorsOf('d0', zylo, { anchorsPerCell: 3, classes: 3 }))

  it('are the usual nine without a remark', () => {
    expect(decided(ZYLO_D0, 'x.pth')).toMatchObject({
      spec: { anchors: { anchorScale: 4, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS } },
      notes: ["Labels: COCO's, assumed because there are 90 classes."],
    })
  })

  it.each([3, 27])('are asked for where the heads have %i', (anchorsPerCell) => {
    const { spec, questions } = decided(identify(tensorsOf('d0', zylo, { anchorsPerCell })), 'x.pth')
    expect(spec).toBeNull()
    expect(questions).toEqual([
      {
        option: 'anchors',
        text:
          `The heads have ${anchorsPerCell} anchors per cell, not the usual 9: give the scales and ratios they were ` +
          "trained with (anchors: { scales, ratios }; --anchor-scales '1,1.26,1.59' --anchor-ratios '1:1,1.4:0.7,0.7:1.4').",
      },
    ])
  })

  it('are what the caller says, taken literally', () => {
    const ratios = [
      [1, 1],
      [1.4, 0.7],
      [0.5, 3],
    ] as const
    const { spec } = decided(three, 'x.pth', { anchors: { scales: [1], ratios, anchorScale: 3.5 } })
    expect(spec?.anchors).toEqual({ anchorScale: 3.5, scales: [1], ratios })
    expect(spec?.architecture).toMatchObject({ classes: 3, anchorsPerCell: 3 })
  })

  it('that do not fit the heads are refused with both numbers', () => {
    const { code, message } = thrown(() => decided(three, 'x.pth', { anchors: { scales: [1, 2] } }))
    expect(code).toBe('ERR_INVALID_OPTION')
    expect(message).toMatch(/^The heads have 3 anchors per cell, and 2 scales × 3 ratios make 6\./)
  })
})

describe('labels', () => {
  it("are COCO's for 90 classes, said to be assumed, and none for other numbers", () => {
    expect(decided(ZYLO_D0, 'x.pth').spec?.labels).toBe(COCO_LABELS)
    const twenty = identify(tensorsOf('d0', zylo, { classes: 20 }))
    expect(decided(twenty, 'x.pth')).toMatchObject({ spec: { labels: null }, notes: [] })
  })

  it.each([80, 89, 91])('of %i names for 90 classes are refused with both numbers', (count) => {
    const labels = Array.from({ length: count }, (_, i) => `class ${i}`)
    const { code, message } = thrown(() => decided(ZYLO_D0, 'x.pth', { labels }))
    expect(code).toBe('ERR_LABELS')
    expect(message).toContain(`There are ${count} labels, and the model has 90 classes.`)
    expect(message).toMatch(count === 80 ? /leave out ten unused ids/ : /no line for a background/)
  })

  it('of one name per class are taken', () => {
    const labels = Array.from({ length: 90 }, (_, i) => `class ${i}`)
    expect(decided(ZYLO_D0, 'x.pth', { labels }).spec?.labels).toBe(labels)
  })

  it('with a line for the background are refused', () => {
    expect(thrown(() => checkLabels(['background', 'person'], 1)).message).toMatch(
      /2 labels, and the model has 1 class\..*no line for a background/,
    )
  })
})

describe('open questions', () => {
  it('are asked all at once', () => {
    const open = decided(identify(tensorsOf('d7', effdet, { anchorsPerCell: 3 })), 'x.pth')
    const { code, message, details } = thrown(() => specOf(open))
    expect(code).toBe('ERR_WEIGHTS_AMBIGUOUS')
    expect(message).toMatch(/'d6' or 'd7'.*3 anchors per cell/)
    expect(details.questions).toEqual(open.questions.map(({ text }) => text))
    expect(open.questions).toHaveLength(2)
  })

  it('are asked only about what is needed', () => {
    const open = decided(identify(tensorsOf('d7', effdet, { anchorsPerCell: 3 })), 'x.pth')
    expect(() => ask(open, [])).not.toThrow()
    expect(thrown(() => ask(open, ['variant'])).details.questions).toHaveLength(1)
  })
})

describe('our own files', () => {
  const stored: StoredSpec = {
    model: 'd0',
    origin: 'zylo',
    preprocessing: preprocessingOf('zylo', 'advprop'),
    padding: { backbone: 'same', fpn: 'symmetric', pool: 'zero' },
    anchors: { anchorScale: 3, scales: [1, 2, 3], ratios: DEFAULT_RATIOS },
    labels: COCO_LABELS.map((label) => label.toUpperCase()),
  }

  it('answer everything without a remark', () => {
    const { spec, notes, questions } = decide(D0, ['x.safetensors'], {}, stored)
    expect({ notes, questions }).toEqual({ notes: [], questions: [] })
    expect(spec).toMatchObject({
      architecture: { padding: stored.padding },
      anchors: stored.anchors,
      preprocessing: stored.preprocessing,
      labels: stored.labels,
    })
  })

  it('give way to options', () => {
    const labels = COCO_LABELS.map((_, i) => `${i}`)
    const options: WeightsOptions = {
      preprocessing: 'imagenet',
      padding: { fpn: 'same' },
      anchors: { anchorScale: 4 },
      labels,
    }
    expect(decide(D0, ['x.safetensors'], options, stored).spec).toMatchObject({
      architecture: { padding: { backbone: 'same', fpn: 'same', pool: 'zero' } },
      anchors: { anchorScale: 4, scales: [1, 2, 3] },
      preprocessing: preprocessingOf('zylo', 'imagenet'),
      labels,
    })
  })
})
