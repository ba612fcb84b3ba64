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
import { hostileOptions } from '../helpers/any-options.js'
import { cpuTime } from '../helpers/cpu-time.js'
import fc from '../helpers/fast-check.js'

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
      fc.property(hostileOptions, (given) => {
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
