import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { type Architecture, officialArchitecture } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { convertModelFile } from '#lib/weights/convert.js'
import type { WeightsOptions } from '#lib/weights/decide.js'
import { roundToHalf } from '#lib/weights/fp16-rounding.js'
import { inspectModelFile, readModelFile } from '#lib/weights/model-file.js'
import { effdet } from '#lib/weights/naming/effdet.js'
import type { Naming } from '#lib/weights/naming/naming.js'
import { zylo } from '#lib/weights/naming/zylo.js'
import { opened, temporaryFolder } from '../helpers/checkpoints.js'
import { random } from '../helpers/random.js'
import { isSame, readState, type State, savedState, type Values } from '../helpers/weights.js'

const ARCHITECTURE: Architecture = { ...officialArchitecture(variant('d0'), 2), anchorsPerCell: 2 }

/** A D0 with two classes and two anchors per cell, by effdet's names; variances are above zero. */
const STATE: State = (() => {
  const rng = random(7)
  const { tensors } = inventory(ARCHITECTURE, { height: 512, width: 512 })
  return new Map(
    [...tensors].map(([name, shape]): [string, Values] => {
      const data = new Float32Array(shape.reduce((product, n) => product * n, 1))
      for (let i = 0; i < data.length; i++) data[i] = rng.float() + 1e-3
      return [name, { shape, data }]
    }),
  )
})()

const OPTIONS: WeightsOptions = {
  preprocessing: 'advprop',
  padding: { backbone: 'symmetric', fpn: 'same', pool: 'zero' },
  anchors: { anchorScale: 3.3, scales: [1, 2 ** (1 / 3)], ratios: [[1, 1 / 3]] },
  labels: ['grün', 'line "two"'],
}

const renamed = (naming: Naming): State =>
  new Map([...STATE].map(([name, values]) => [naming.nameOf(name, ARCHITECTURE.variant), values]))

const target = async () => join(await temporaryFolder(), 'out.safetensors')

describe('convertModelFile', () => {
  it.each([effdet, zylo])(
    "writes all tensors by effdet's names, bit by bit, from $origin",
    async (naming) => {
      const output = await target()
      await convertModelFile(await savedState(renamed(naming)), output, OPTIONS)
      const written = await readState(output)
      expect([...written.keys()].sort()).toEqual([...STATE.keys()].sort())
      for (const [name, { shape, data }] of STATE) {
        expect(written.get(name)?.shape).toEqual(shape)
        expect(isSame(written.get(name)?.data, data), name).toBe(true)
      }
    },
  )

  it.each([effdet, zylo])('stores all that was told or found out about $origin', async (naming) => {
    const input = await savedState(renamed(naming), 'best.safetensors')
    const output = await target()
    const converted = await convertModelFile(input, output, OPTIONS)
    const model = await readModelFile(output)
    expect(model).toMatchObject({ spec: converted.spec, origin: naming.origin, notes: [] })
    expect(model.spec).toMatchObject({
      architecture: { variant: variant('d0'), classes: 2, anchorsPerCell: 2, padding: OPTIONS.padding },
      anchors: OPTIONS.anchors,
      labels: OPTIONS.labels,
    })
    expect((await opened(output)).metadata.source).toBe('best.safetensors')
  })

  it('gives the same file when it is given its own', async () => {
    const first = await target()
    await convertModelFile(await savedState(STATE, 'out.safetensors'), first, OPTIONS)
    const second = await target()
    await convertModelFile(first, second)
    expect((await readFile(second)).equals(await readFile(first))).toBe(true)
    await convertModelFile(first, first)
    expect((await readFile(second)).equals(await readFile(first))).toBe(true)
  })

  it('keeps what was stored but for what an option changes', async () => {
    const output = await target()
    await convertModelFile(await savedState(STATE), output, OPTIONS)
    const { spec } = await convertModelFile(output, output, {
      labels: ['a', 'b'],
      padding: { fpn: 'symmetric' },
    })
    expect(spec).toMatchObject({
      architecture: { padding: { backbone: 'symmetric', fpn: 'symmetric', pool: 'zero' } },
      anchors: OPTIONS.anchors,
      labels: ['a', 'b'],
    })
    expect((await readModelFile(output)).spec).toEqual(spec)
  })

  it('does not let another size be told of its own file', async () => {
    const output = await target()
    await convertModelFile(await savedState(STATE), output, OPTIONS)
    await expect(inspectModelFile(output, { variant: 'd1' })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_OPTION',
        message: `${output}: variant is 'd1', but the file was converted as d0. Leave the option out, or convert the original weights again.`,
      }),
    )
    expect((await inspectModelFile(output, { variant: 'd0' })).decided.questions).toEqual([])
  })

  it('writes nothing where something is open', async () => {
    const output = await target()
    const { anchors: _, ...rest } = OPTIONS
    await expect(convertModelFile(await savedState(STATE), output, rest)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_WEIGHTS_AMBIGUOUS' }),
    )
    await expect(readFile(output)).rejects.toThrow(/ENOENT/)
  })
})

describe('half precision', () => {
  it('rounds what has two or more dimensions and keeps vectors', async () => {
    const output = await target()
    await convertModelFile(await savedState(STATE), output, { ...OPTIONS, precision: 'fp16' })
    const checkpoint = await opened(output)
    for (const [name, tensor] of checkpoint.tensors) {
      const original = STATE.get(name)!
      const values = await tensor.read()
      expect(tensor.dtype).toBe(original.shape.length > 1 ? 'float16' : 'float32')
      if (tensor.dtype === 'float32') expect(isSame(values, original.data), name).toBe(true)
      else expect(isSame(values, roundToHalf(original.data, original.shape[0])), name).toBe(true)
    }
    expect((await readModelFile(output)).spec.labels).toEqual(OPTIONS.labels)
  })

  it('keeps a tensor with a value that would become infinite', async () => {
    const name = 'fpn.cell.1.fnode.2.after_combine.conv.conv_pw.weight'
    const data = STATE.get(name)!.data.map((value, i) => (i === 5 ? -65520 : value))
    const output = await target()
    const state = new Map(STATE).set(name, { shape: [64, 64, 1, 1], data })
    await convertModelFile(await savedState(state), output, { ...OPTIONS, precision: 'fp16' })
    const tensor = (await opened(output)).tensors.get(name)
    expect(tensor?.dtype).toBe('float32')
    expect(isSame(await tensor?.read(), data)).toBe(true)
  })
})

describe('values that cannot be used', () => {
  it.each([
    ['fpn.cell.0.fnode.0.combine.edge_weights', Number.NaN, 'NaN', 'finite numbers'],
    ['backbone.blocks.0.0.conv_dw.weight', Number.NEGATIVE_INFINITY, '-Infinity', 'finite numbers'],
    ['backbone.bn1.running_var', -1, '-1', 'variances of 0 or more'],
  ])('are refused with their tensor: %s = %d', async (name, value, found, expected) => {
    const { shape, data } = STATE.get(name)!
    const broken = data.slice()
    broken[1] = value
    const state = new Map([...STATE, [name, { shape, data: broken }] as const])
    const path = await savedState(new Map([...state].map(([key, values]) => [`module.${key}`, values])))
    await expect(readModelFile(path, OPTIONS)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WEIGHTS',
        message: `${path}: module.${name} holds ${found} at position 1; expected ${expected}. The training diverged or the file is damaged: use an earlier checkpoint.`,
      }),
    )
  })
})
