import { InvalidArgumentError } from 'commander'
import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import {
  parseBatch,
  parseInteger,
  parseNumber,
  parseRatios,
  parseScales,
  parseSize,
} from '#lib/cli/arguments.js'
import { NORMALIZATIONS } from '#lib/models/preprocessing.js'
import { VARIANT_NAMES } from '#lib/models/variants.js'
import { checkExportOptions, type ExportOptions } from '#lib/options/export.js'
import { type Random, random } from '../helpers/random.js'

const ROUNDS = 3000

/** Options of which each is right. */
const GOOD: readonly [name: string, values: readonly unknown[]][] = [
  ['inputSize', [64, 512, { height: 384, width: 640 }, undefined]],
  ['batch', ['dynamic', 1, 1024]],
  ['precision', ['fp32', 'fp16', undefined]],
  ['input', ['fp32', 'fp16']],
  ['variant', [...VARIANT_NAMES, undefined]],
  ['preprocessing', NORMALIZATIONS],
  ['padding', [{}, { backbone: 'same' }, { fpn: 'symmetric', pool: 'zero' }]],
  [
    'anchors',
    [
      {},
      { anchorScale: 3 },
      {
        scales: [1, 1.26, 1.59],
        ratios: [
          [1, 1],
          [1.4, 0.7],
        ],
      },
    ],
  ],
  ['labels', [[], ['person'], ['a', 'b']]],
  ['signal', [undefined, new AbortController().signal]],
]

const NAMES = [
  'inputSize',
  'batch',
  'anchor',
  'lables',
  'Precision',
  '__proto__',
  'constructor',
  'toString',
  '',
  '💥',
  'x'.repeat(9999),
]

/** Anything at all. */
function anything(rng: Random, depth = 0): unknown {
  const scalars: unknown[] = [
    ...[0, -0, -1, 1, 0.5, 1.5, 1e-320, 1e308, 2 ** 53, NaN, Infinity, -Infinity],
    ...[null, undefined, true, false, 7n, Symbol('s'), () => 1, 'dynamic', 'fp16', 'd0', '', '\0', '64'],
    ...['x'.repeat(100_000), '\uD800', new Date(), /x/, new Map([[1, 2]]), new Uint8Array(3), new Error('e')],
    ...[Object.create(null), Object.create({ height: 64, width: 64 }), new Proxy({}, {}), new Array(5)],
  ]
  const kind = rng.int(depth > 3 ? 4 : 7)
  if (kind < 4) return scalars[rng.int(scalars.length)]
  const length = rng.int(4)
  if (kind === 4) return Array.from({ length }, () => anything(rng, depth + 1))
  if (kind === 5) return object(rng, depth)
  return new Array(2 ** rng.int(17)).fill(anything(rng, depth + 1))
}

function object(rng: Random, depth: number): object {
  const names = [
    ...NAMES,
    'height',
    'width',
    'scales',
    'ratios',
    'anchorScale',
    'backbone',
    'fpn',
    'pool',
    'length',
  ]
  const entries = Array.from({ length: rng.int(4) }, () => [
    names[rng.int(names.length)],
    anything(rng, depth + 1),
  ])
  return Object.fromEntries(entries)
}

/** Good options, of which some have been replaced by anything, and some have names that are not there. */
function mutatedOptions(rng: Random): unknown {
  if (rng.int(20) === 0) return anything(rng) ?? null
  const options: Record<string, unknown> = {}
  for (const [name, values] of GOOD) {
    if (rng.int(2) === 0) options[name] = values[rng.int(values.length)]
    if (rng.int(10) === 0) options[name] = anything(rng)
  }
  if (rng.int(10) === 0) options[NAMES[rng.int(NAMES.length)]] = anything(rng)
  return options
}

const isWhole = (value: unknown, min: number, max: number) =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max

/** What the rest of the package relies on. */
function expectValid({ weights, settings }: ReturnType<typeof checkExportOptions>) {
  const { inputSize, batch, precision, input } = settings
  if (inputSize !== null) {
    expect(Object.keys(inputSize)).toEqual(['height', 'width'])
    expect(isWhole(inputSize.height, 1, 8192) && isWhole(inputSize.width, 1, 8192)).toBe(true)
  }
  expect(batch === 'dynamic' || isWhole(batch, 1, 1024)).toBe(true)
  for (const type of [precision, input]) expect(['fp32', 'fp16']).toContain(type)
  const { variant, preprocessing, padding = {}, anchors = {}, labels = [] } = weights
  if (variant !== undefined) expect(VARIANT_NAMES).toContain(variant)
  if (preprocessing !== undefined) expect(NORMALIZATIONS).toContain(preprocessing)
  for (const rule of Object.values(padding)) {
    expect(['same', 'symmetric', 'infinity', 'zero', undefined]).toContain(rule)
  }
  const numbers = [anchors.anchorScale ?? 1, ...(anchors.scales ?? []), ...(anchors.ratios ?? []).flat()]
  for (const value of numbers) expect(Number.isFinite(value) && value > 0).toBe(true)
  expect((anchors.scales ?? []).length).toBeLessThanOrEqual(100)
  for (const label of labels) expect(typeof label).toBe('string')
  // They are sent to another thread.
  expect(structuredClone({ weights, settings })).toEqual({ weights, settings })
}

describe('hostile options', () => {
  it(`of exports are valid settings or a typed error, ${ROUNDS} times`, () => {
    const outcomes = { valid: 0, refused: 0 }
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const options = mutatedOptions(random(seed))
      try {
        expectValid(checkExportOptions(options as ExportOptions))
        outcomes.valid++
      } catch (error) {
        if (!(error instanceof EfficientDetError)) throw new Error(`Seed ${seed}`, { cause: error })
        expect(['ERR_INVALID_OPTION', 'ERR_LABELS']).toContain(error.code)
        expect(error.message.length).toBeLessThan(12_000)
        outcomes.refused++
      }
    }
    // Neither refuses everything nor accepts everything.
    expect(Math.min(outcomes.valid, outcomes.refused)).toBeGreaterThan(ROUNDS / 10)
  })

  it(`on the command line are numbers or commander's error, ${ROUNDS} times`, () => {
    const parts =
      '0 1 9 . , : x × ( ) [ ] ** / - + e E NaN Infinity \t \0 💥 dynamic 384x640 1:1 1.4:0.7 (1.0,1.0) 2**0'.split(
        ' ',
      )
    const parsers = { parseBatch, parseInteger, parseNumber, parseRatios, parseScales, parseSize }
    let accepted = 0
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const rng = random(seed)
      const text = Array.from({ length: rng.int(8) }, () => parts[rng.int(parts.length)]).join(
        rng.int(2) === 0 ? '' : ' ',
      )
      for (const [name, parse] of Object.entries(parsers)) {
        try {
          const values = [parse(text)].flatMap((value) =>
            typeof value === 'object' ? Object.values(value).flat() : [value],
          )
          expect(values.length).toBeGreaterThan(0)
          for (const value of values) {
            expect([name, text, value === 'dynamic' || Number.isFinite(value)]).toEqual([name, text, true])
          }
          accepted++
        } catch (error) {
          if (!(error instanceof InvalidArgumentError))
            throw new Error(`${name}(${JSON.stringify(text)})`, { cause: error })
        }
      }
    }
    expect(accepted).toBeGreaterThan(ROUNDS / 10)
  })

  it.each([
    ['digits', '1'.repeat(100_000)],
    ['spaces', `1${' '.repeat(100_000)}x`],
    ['pairs', '1:1,'.repeat(25_000)],
    ['brackets', '['.repeat(100_000)],
    ['powers', '2**'.repeat(33_000)],
  ])('of a hundred thousand %s do not hang', (_, text) => {
    const start = performance.now()
    for (const parse of [parseRatios, parseScales, parseSize, parseNumber]) {
      try {
        parse(text)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidArgumentError)
      }
    }
    expect(performance.now() - start).toBeLessThan(2000)
  })
})
