import { InvalidArgumentError } from 'commander'
import fc from 'fast-check'
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
import { cpuTime } from '../helpers/cpu-time.js'

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

const SCALARS = [
  ...[0, -0, -1, 1, 0.5, 1.5, 1e-320, 1e308, 2 ** 53, NaN, Infinity, -Infinity],
  ...[null, undefined, true, false, 7n, Symbol('s'), () => 1, 'dynamic', 'fp16', 'd0', '', '\0', '64'],
  ...['x'.repeat(100_000), '\uD800', new Date(), /x/, new Map([[1, 2]]), new Uint8Array(3), new Error('e')],
  ...[Object.create(null), Object.create({ height: 64, width: 64 }), new Proxy({}, {}), new Array(5)],
]

const INNER_NAMES = [
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

/** Anything at all. */
const { anything } = fc.letrec<{ anything: unknown; inner: unknown }>((tie) => ({
  anything: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<unknown>(...SCALARS),
    tie('inner'),
  ),
  inner: fc.oneof(
    fc.array(tie('anything'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES, ...INNER_NAMES), tie('anything'), { maxKeys: 3 }),
    fc.tuple(fc.nat(16), tie('anything')).map(([power, value]) => new Array(2 ** power).fill(value)),
  ),
}))

/** Good options, of which some are replaced by anything, and some have names that are not there. */
const options = fc.oneof(
  { weight: 1, arbitrary: anything.map((value) => value ?? null) },
  {
    weight: 19,
    arbitrary: fc
      .tuple(
        fc.record(
          Object.fromEntries(
            GOOD.map(([name, values]) => [
              name,
              fc.oneof(
                { weight: 6, arbitrary: fc.constantFrom(...values) },
                { weight: 1, arbitrary: anything },
              ),
            ]),
          ),
          { requiredKeys: [] },
        ),
        fc.option(fc.tuple(fc.constantFrom(...NAMES), anything), { freq: 9 }),
      )
      .map(([known, more]) => (more === null ? known : Object.assign(known, { [more[0]]: more[1] }))),
  },
)

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
  it('of exports are valid settings or a typed error', () => {
    const outcomes = { valid: 0, refused: 0 }
    fc.assert(
      fc.property(options, (given) => {
        try {
          expectValid(checkExportOptions(given as ExportOptions))
          outcomes.valid++
        } catch (error) {
          if (!(error instanceof EfficientDetError)) throw error
          expect(['ERR_INVALID_OPTION', 'ERR_LABELS']).toContain(error.code)
          expect(error.message.length).toBeLessThan(12_000)
          outcomes.refused++
        }
      }),
    )
    // Neither refuses everything nor accepts everything.
    expect(Math.min(outcomes.valid, outcomes.refused)).toBeGreaterThan(3)
  })

  it("on the command line are numbers or commander's error", () => {
    const parts =
      '0 1 9 . , : x × ( ) [ ] ** / - + e E NaN Infinity \t \0 💥 dynamic 384x640 1:1 1.4:0.7 (1.0,1.0) 2**0'
    const text = fc
      .tuple(fc.array(fc.constantFrom(...parts.split(' ')), { maxLength: 7 }), fc.constantFrom('', ' '))
      .map(([words, between]) => words.join(between))
    const parsers = [parseBatch, parseInteger, parseNumber, parseRatios, parseScales, parseSize]
    let accepted = 0
    fc.assert(
      fc.property(text, (given) => {
        for (const parse of parsers) {
          try {
            const values = [parse(given)].flatMap((value) =>
              typeof value === 'object' ? Object.values(value).flat() : [value],
            )
            expect(values.length).toBeGreaterThan(0)
            for (const value of values) expect(value === 'dynamic' || Number.isFinite(value)).toBe(true)
            accepted++
          } catch (error) {
            if (!(error instanceof InvalidArgumentError)) throw error
          }
        }
      }),
    )
    expect(accepted).toBeGreaterThan(5)
  })

  it.each([
    ['digits', '1'.repeat(100_000)],
    ['spaces', `1${' '.repeat(100_000)}x`],
    ['pairs', '1:1,'.repeat(25_000)],
    ['brackets', '['.repeat(100_000)],
    ['powers', '2**'.repeat(33_000)],
  ])('of a hundred thousand %s do not hang', (_, text) => {
    const start = cpuTime()
    for (const parse of [parseRatios, parseScales, parseSize, parseNumber]) {
      try {
        parse(text)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidArgumentError)
      }
    }
    expect(cpuTime() - start).toBeLessThan(2000)
  })
})
