import fc from 'fast-check'
import { NORMALIZATIONS } from '#lib/models/preprocessing.js'
import { VARIANT_NAMES } from '#lib/models/variants.js'

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
export const { anything } = fc.letrec<{ anything: unknown; inner: unknown }>((tie) => ({
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
export const hostileOptions = fc.oneof(
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
