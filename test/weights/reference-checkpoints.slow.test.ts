import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { buildGraph } from '#lib/graph/build.js'
import type { Size } from '#lib/models/levels.js'
import { type Normalization, preprocessingOf } from '#lib/models/preprocessing.js'
import type { ConvPadding } from '#lib/models/spec.js'
import type { VariantName } from '#lib/models/variants.js'
import { convertModelFile } from '#lib/weights/convert.js'
import type { WeightsOptions } from '#lib/weights/decide.js'
import { type Inspection, inspectModelFile, readModelFile } from '#lib/weights/model-file.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { readFloats, relativeError, runGraph } from '../helpers/networks.js'
import { hasShared, shared } from '../helpers/shared.js'
import { isSame } from '../helpers/weights.js'

/** What tools/reference/checkpoints.py wrote; that file tells what the fields mean. */
interface Entry {
  readonly file: string
  readonly case: number
  readonly what: string
  readonly outcome: 'loads' | 'refused' | 'ambiguous'
  readonly golden?: 'same' | 'rounded' | { readonly anchorsPerCell: number; readonly classes: number }
  readonly prefix?: string
  readonly preprocessing?: Normalization
  readonly options?: {
    readonly variant?: VariantName
    readonly preprocessing?: Normalization
    readonly backbonePadding?: ConvPadding
    readonly fpnPadding?: ConvPadding
    readonly candidates?: readonly string[]
  }
  readonly tensors?: readonly string[]
  readonly call?: string
  readonly classes?: readonly string[]
  readonly family?: string
  readonly foreign?: readonly string[]
  readonly expected?: {
    readonly size: Size
    readonly stride: number
    readonly input: string
    readonly boxRegression: string
    readonly classLogits: string
  }
}

const FOLDER = join(import.meta.dirname, '..', '..', '.cache', 'reference', 'checkpoints')
const INDEX = join(FOLDER, 'index.json')
const hasReference = existsSync(INDEX)
if (!hasReference) {
  console.warn(
    `Tests with reference checkpoints are skipped: run tools/reference/checkpoints.py for ${INDEX}.`,
  )
}

const index: Readonly<Record<string, Entry>> = hasReference ? JSON.parse(readFileSync(INDEX, 'utf8')) : {}
const entries = Object.entries(index).map(([name, entry]) => ({
  name,
  ...entry,
  path: join(FOLDER, entry.file),
}))
const withOutcome = (outcome: Entry['outcome']) => entries.filter((entry) => entry.outcome === outcome)

function optionsOf({ options = {} }: Entry): WeightsOptions {
  const { variant, preprocessing, backbonePadding: backbone, fpnPadding: fpn } = options
  return {
    ...(variant && { variant }),
    ...(preprocessing && { preprocessing }),
    ...(backbone && fpn && { padding: { backbone, fpn } }),
  }
}

/** The rows of anchors 0, stride, 2·stride, … */
function sampled(values: Float32Array, perAnchor: number, stride: number): number[] {
  const rows: number[] = []
  for (let start = 0; start < values.length; start += stride * perAnchor) {
    rows.push(...values.subarray(start, start + perAnchor))
  }
  return rows
}

describe.skipIf(!hasReference)('a file that PyTorch wrote', () => {
  it.each(withOutcome('loads'))('$name loads: $what', async (entry) => {
    const { identified, decided, notes } = await inspectModelFile(entry.path)
    expect(decided.questions).toEqual([])
    if (entry.prefix !== undefined) {
      expect(identified.prefix).toBe(entry.prefix)
      expect(notes).toContain(`Names begin with "${entry.prefix}", which was taken off.`)
    }
    if (entry.preprocessing) {
      expect(decided.spec?.preprocessing).toEqual(preprocessingOf('effdet', entry.preprocessing))
    }
    if (typeof entry.golden === 'object') expect(identified).toMatchObject(entry.golden)
    for (const name of entry.foreign ?? []) {
      // numpy.dtype is an argument of the scalar that is listed.
      if (name !== 'numpy.dtype') expect(notes.join()).toContain(name)
    }
  })

  it.each(withOutcome('refused'))('$name is refused: $what', async (entry) => {
    const unsafe = entry.call !== undefined
    const error: unknown = await readModelFile(entry.path).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'EfficientDetError',
      code: unsafe ? 'ERR_UNSAFE_PICKLE' : 'ERR_WEIGHTS',
    })
    const { message } = Object(error)
    expect(message.startsWith(`${entry.path}: `)).toBe(true)
    expect(message.length).toBeLessThan(700)
    const named = [
      ...(entry.tensors ?? []),
      ...(entry.classes ?? []),
      ...(entry.family ? [entry.family] : []),
    ]
    for (const name of named) expect(message).toContain(name)
    if (unsafe) expect(message).toContain('os.system')
  })

  it.each(withOutcome('ambiguous'))('$name leaves something open: $what', async (entry) => {
    const { decided, identified, notes }: Inspection = await inspectModelFile(entry.path)
    const asked = decided.questions.map(({ text }) => text).join(' ')
    const open = [asked, ...notes].join(' ')
    if (entry.options?.backbonePadding) expect(open).toMatch(/Padding: backbone .*The tensors cannot tell/)
    for (const candidate of entry.options?.candidates ?? []) {
      expect(asked).toContain(`'${candidate}'`)
    }
    if (typeof entry.golden === 'object') {
      expect(identified).toMatchObject(entry.golden)
      expect(asked).toContain(`${entry.golden.anchorsPerCell} anchors per cell`)
      return
    }
    expect((await inspectModelFile(entry.path, optionsOf(entry))).decided.questions).toEqual([])
  })

  it.each(entries.filter(({ options }) => options?.candidates?.includes('d7')))(
    '$name is a D7 for good once it is converted as one',
    async ({ path }) => {
      const output = join(await temporaryFolder(), 'best.safetensors')
      await convertModelFile(path, output, { variant: 'd7', precision: 'fp16' })
      const { decided, identified } = await inspectModelFile(output)
      expect(identified.variants.map(({ name }) => name)).toEqual(['d7'])
      expect(decided).toMatchObject({
        spec: { architecture: { variant: { name: 'd7', inputSize: 1536 } }, anchors: { anchorScale: 5 } },
        questions: [],
      })
    },
  )

  it.skipIf(!hasShared).each(entries.filter(({ golden }) => golden === 'same' || golden === 'rounded'))(
    '$name has the golden weights',
    async ({ path, golden }) => {
      const bare = (await readModelFile(shared('data/golden-d0/zylo-d0.pth'))).weights
      const { weights } = await readModelFile(path)
      expect(weights.size).toBe(bare.size)
      for (const [name, values] of bare) {
        const found = weights.get(name)
        if (golden === 'same') expect(isSame(found, values), name).toBe(true)
        // bfloat16, the coarsest, has 8 significant bits.
        else expect(relativeError(found ?? [], values), name).toBeLessThan(2 ** -8)
      }
    },
  )

  it.each(entries.filter(({ expected }) => expected !== undefined))(
    '$name answers as effdet does',
    async (entry) => {
      const { size, stride, ...files } = entry.expected!
      const { spec, weights } = await readModelFile(entry.path, optionsOf(entry))
      const graph = buildGraph(spec.architecture, weights, {
        inputSize: size,
        batch: 1,
        precision: 'fp32',
        input: 'fp32',
      })
      const images = await readFloats(join(FOLDER, files.input))
      const outputs = await runGraph(graph, images, [1, 3, size.height, size.width])
      const boxes = sampled(outputs.boxRegression, 4, stride)
      const logits = sampled(outputs.classLogits, spec.architecture.classes, stride)
      const errors = [
        relativeError(boxes, await readFloats(join(FOLDER, files.boxRegression))),
        relativeError(logits, await readFloats(join(FOLDER, files.classLogits))),
      ]
      expect(Math.max(...errors)).toBeLessThan(1e-4)
    },
  )
})
