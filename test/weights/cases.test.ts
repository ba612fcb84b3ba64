import { beforeAll, describe, expect, it } from 'vitest'

import { COCO_LABELS } from '#lib/models/labels.js'
import { exportModelFile } from '#lib/tasks/export.js'
import { convertModelFile } from '#lib/weights/convert.js'
import type { WeightsOptions } from '#lib/weights/decide.js'
import { toMetadata } from '#lib/weights/metadata.js'
import { inspectModelFile, readModelFile } from '#lib/weights/model-file.js'
import { zylo } from '#lib/weights/naming/zylo.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'
import { hasShared, shared } from '../helpers/shared.js'
import { golden, isSame, prefixed, type State, savedState, type Values } from '../helpers/weights.js'

/*
 * Reported cases of weights by number, as far as names and shapes, common to all formats, show them. What PyTorch's
 * containers add is in reference-checkpoints.slow.test.ts.
 */

const GOLDEN = 'data/golden-d0/zylo-d0.pth'
const STEM = 'backbone_net.model._conv_stem.conv.weight'

/** A head's rows for some anchors and values per anchor; beyond nine anchors the nine repeat. */
function heads(state: State, anchors: number, classes: number): State {
  const result = new Map(state)
  const outputs = [
    ['classifier', 90, classes],
    ['regressor', 4, 4],
  ] as const
  for (const [head, stored, kept] of outputs) {
    for (const part of ['weight', 'bias']) {
      const name = `${head}.header.pointwise_conv.conv.${part}`
      const { shape, data } = state.get(name)!
      const row = data.length / shape[0]
      const rows = Array.from({ length: anchors * kept }, (_, i) => {
        const from = ((Math.floor(i / kept) % 9) * stored + (i % kept)) * row
        return data.subarray(from, from + row)
      })
      const cut = new Float32Array(rows.length * row)
      for (const [i, values] of rows.entries()) cut.set(values, i * row)
      result.set(name, { shape: [rows.length, ...shape.slice(1)], data: cut })
    }
  }
  return result
}

describe.skipIf(!hasShared)('the golden D0', () => {
  let state: State
  let bare: ReadonlyMap<string, Float32Array>

  beforeAll(async () => {
    state = await golden()
    bare = (await readModelFile(shared(GOLDEN))).weights
  })

  const inspect = async (changed: State, options: WeightsOptions = {}, name = 'best.safetensors') =>
    inspectModelFile(await savedState(changed, name), options)

  it('loads from its own file with every value in its place', async () => {
    const { spec, origin, notes, weights } = await readModelFile(shared(GOLDEN))
    expect(spec).toMatchObject({
      architecture: {
        variant: { name: 'd0' },
        classes: 90,
        anchorsPerCell: 9,
        redundantBias: true,
        padding: { backbone: 'same', fpn: 'same', pool: 'zero' },
      },
      preprocessing: { resize: 'bilinear' },
      labels: COCO_LABELS,
    })
    expect({ origin, notes }).toEqual({
      origin: 'zylo',
      notes: ["Labels: COCO's, assumed because there are 90 classes."],
    })
    for (const [name, values] of weights) {
      const original = state.get(zylo.nameOf(name, spec.architecture.variant))
      expect(isSame(values, original?.data), name).toBe(true)
    }
  })

  describe('prefixes', () => {
    it.each(['_orig_mod.module.', 'module._orig_mod.', 'model.model.', 'module.'])(
      '%s in front of every name changes nothing, and is told',
      async (prefix) => {
        const { weights, notes } = await readModelFile(await savedState(prefixed(state, prefix)))
        expect(notes[0]).toBe(`Names begin with "${prefix}", which was taken off.`)
        expect([...weights.keys()]).toEqual([...bare.keys()])
        for (const [name, values] of weights) expect(isSame(values, bare.get(name)), name).toBe(true)
      },
    )
  })

  describe('same tensors, another model', () => {
    it('a D0 of zylo leaves nothing open', async () => {
      expect((await inspect(state)).decided.questions).toEqual([])
    })
  })

  describe('anchor and class counts', () => {
    it('one class needs no option', async () => {
      const { identified, decided, notes } = await inspect(heads(state, 9, 1))
      expect(identified).toMatchObject({ classes: 1, anchorsPerCell: 9 })
      expect(decided).toMatchObject({ spec: { labels: null }, questions: [] })
      expect(notes).toEqual([])
    })

    it.each([
      [3, 3],
      [27, 90],
    ])('%i anchors × %i classes need scales and ratios', async (anchorsPerCell, classes) => {
      const changed = heads(state, anchorsPerCell, classes)
      const path = await savedState(changed)
      const { identified, decided } = await inspectModelFile(path)
      expect(identified).toMatchObject({ classes, anchorsPerCell })
      expect(decided.spec).toBeNull()
      await expect(readModelFile(path)).rejects.toThrow(
        refusal(
          'ERR_WEIGHTS_AMBIGUOUS',
          new RegExp(`^${path}: The heads have ${anchorsPerCell} anchors per cell`),
        ),
      )
      const scales = Array.from({ length: anchorsPerCell / 3 }, (_, i) => 2 ** (i / 9))
      expect((await inspectModelFile(path, { anchors: { scales } })).decided.spec?.anchors.scales).toBe(
        scales,
      )
      // The graph does not depend on them.
      const settings = { inputSize: null, batch: 1, precision: 'fp32', input: 'fp32' } as const
      const exported = await exportModelFile(path, `${path}.onnx`, {}, settings)
      expect(exported).toMatchObject({ variant: 'd0', inputSize: { height: 512, width: 512 } })
      await expect(
        exportModelFile(path, `${path}.onnx`, {}, { ...settings, detections: 100 }),
      ).rejects.toThrow(refusal('ERR_WEIGHTS_AMBIGUOUS', /anchors per cell/))
      await expect(readModelFile(path, { anchors: { scales: [1, 2] } })).rejects.toThrow(
        refusal('ERR_INVALID_OPTION', /2 scales × 3 ratios make 6/),
      )
    })
  })

  describe('labels', () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `name ${i}`)

    it.each([80, 89, 91])('%i are refused with both numbers, also by convert', async (count) => {
      const output = `${await temporaryFolder()}/out.safetensors`
      await expect(convertModelFile(shared(GOLDEN), output, { labels: names(count) })).rejects.toThrow(
        refusal('ERR_LABELS', new RegExp(`There are ${count} labels, and the model has 90 classes\\.`)),
      )
    })

    it('90 are stored, and come back in their order', async () => {
      const output = `${await temporaryFolder()}/out.safetensors`
      await convertModelFile(shared(GOLDEN), output, { labels: names(90) })
      expect((await inspectModelFile(output)).decided.spec?.labels).toEqual(names(90))
    })

    it('of a file that were changed to another number are refused', async () => {
      const { spec, origin } = await readModelFile(shared(GOLDEN))
      const metadata = toMetadata(spec, origin, 'best.pth')
      const path = await savedState(state, 'out.safetensors', { ...metadata, labels: '["one"]' })
      await expect(inspectModelFile(path)).rejects.toThrow(refusal('ERR_LABELS', /There is 1 label,/))
    })
  })

  describe('stems', () => {
    it.each([1, 4, 6])('of %i channels are refused with their name and width', async (channels) => {
      const stem: Values = { shape: [32, channels, 3, 3], data: new Float32Array(32 * channels * 9) }
      const path = await savedState(new Map([...state, [STEM, stem]]))
      await expect(inspectModelFile(path)).rejects.toThrow(
        refusal(
          'ERR_WEIGHTS',
          new RegExp(`stem ${STEM} has shape \\[32, ${channels}, 3, 3\\]: it takes ${channels} `),
        ),
      )
    })
  })
})

describe('another family', () => {
  const family: Readonly<Record<string, readonly string[]>> = {
    toandaominh1997: ['neck.stack_bifpn_convs.0.w1', 'bbox_head.retina_cls.weight'],
    signatrix: ['conv3.weight', 'bifpn.0.conv6_up.conv.0.weight'],
    mmdetection: ['neck.bifpn.0.p6_w1', 'bbox_head.cls_header.pointwise_conv.weight'],
    ultralytics: ['model.0.conv.weight', 'model.22.cv2.0.0.conv.weight'],
  }

  it.each(Object.keys(family))('%s is named in one line', async (name) => {
    const rest = Array.from({ length: 700 }, (_, i) => `layer${i}.weight`)
    const value: Values = { shape: [1], data: Float32Array.of(1) }
    const path = await savedState(new Map([...family[name], ...rest].map((tensor) => [tensor, value])))
    await expect(inspectModelFile(path)).rejects.toThrow(
      refusal('ERR_WEIGHTS', new RegExp(`^${path}: These are weights of ${name}[^\\n]{0,150}$`)),
    )
  })
})
