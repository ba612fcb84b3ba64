import { describe, expect, it } from 'vitest'
import { closest } from '#lib/base/closest.js'
import {
  checkInteger,
  checkNames,
  checkNumber,
  checkOneOf,
  checkSignal,
  checkSize,
} from '#lib/options/checks.js'

const refusal = (message: RegExp) =>
  expect.objectContaining({
    name: 'EfficientDetError',
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(message),
  })

describe('names', () => {
  const NAMES = ['size', 'batch', 'precision']

  it('must be known ones', () => {
    for (const options of [undefined, {}, { size: 1 }, { batch: undefined, precision: null }]) {
      expect(() => checkNames('the options', options, NAMES)).not.toThrow()
    }
  })

  it('are corrected when they are misspelt, and listed when they are not', () => {
    expect(() => checkNames('the options', { precison: 1 }, NAMES)).toThrow(
      refusal(/^There is no option "precison" in the options\. Did you mean precision\?$/),
    )
    expect(() => checkNames('the options', { colour: 1 }, NAMES)).toThrow(
      refusal(/"colour".*Options: size, batch, precision\.$/),
    )
  })

  it.each([[null], ['size'], [7], [[]], [() => {}]])('must be those of an object: %j', (options) => {
    expect(() => checkNames('the options', options, NAMES)).toThrow(
      refusal(/^the options is .*expected an object/),
    )
  })

  it('of the prototype do not count', () => {
    expect(() => checkNames('the options', Object.create({ colour: 1 }), NAMES)).not.toThrow()
    expect(() => checkNames('the options', JSON.parse('{"__proto__": 1}'), NAMES)).toThrow(
      refusal(/__proto__/),
    )
  })
})

describe('closest', () => {
  it.each([
    ['persn', 'person'],
    ['Person', 'person'],
    ['perosn', 'person'],
    ['d00', 'd0'],
    ['horse', null],
    ['', null],
    ['x'.repeat(1e6), null],
  ])('of %.20j is %j', (word, meant) => {
    expect(closest(word, ['person', 'd0'])).toBe(meant)
  })
})

describe('numbers', () => {
  it('must be numbers within their range', () => {
    expect([checkInteger('n', 1, 1, 3), checkInteger('n', 3, 1, 3), checkNumber('x', 0.5, 0, 1)]).toEqual([
      1, 3, 0.5,
    ])
    for (const value of [0, 4, 1.5, Number.NaN, Infinity, '2', null, undefined, 2n, [2], true]) {
      expect(() => checkInteger('n', value, 1, 3)).toThrow(
        refusal(/^n is .*expected a whole number from 1 to 3/),
      )
    }
    for (const value of [-0.1, 1.1, Number.NaN, -Infinity, '0.5', null, Symbol('s')]) {
      expect(() => checkNumber('x', value, 0, 1)).toThrow(refusal(/^x is .*expected a number from 0 to 1/))
    }
  })
})

describe('choices', () => {
  it('are one of a list, and corrected when misspelt', () => {
    expect(checkOneOf('nms', 'agnostic', ['class', 'agnostic'])).toBe('agnostic')
    expect(() => checkOneOf('nms', 'agnostc', ['class', 'agnostic'])).toThrow(
      refusal(/^nms is "agnostc"; expected one of 'class', 'agnostic' \(did you mean 'agnostic'\?\)\.$/),
    )
    for (const value of ['soft', 1, null, ['class'], { toString: () => 'class' }]) {
      expect(() => checkOneOf('nms', value, ['class', 'agnostic'])).toThrow(
        refusal(/expected one of 'class'/),
      )
    }
  })

  it('are not printed at any length', () => {
    expect(() => checkOneOf('nms', 'x'.repeat(1e6), ['class'])).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{0,200}$/) }),
    )
  })
})

describe('sizes', () => {
  it('are one number, or height and width', () => {
    expect(checkSize('size', 512)).toEqual({ height: 512, width: 512 })
    expect(checkSize('size', { height: 384, width: 640 })).toEqual({ height: 384, width: 640 })
  })

  it.each([
    [0, /^size is 0; expected a whole number from 1 to 8192/],
    [8193, /^size is 8193/],
    [Number.NaN, /^size is NaN/],
    ['512', /^size is "512"; expected a number of pixels or \{ height, width \}/],
    [null, /^size is null/],
    [{}, /^size\.height is undefined/],
    [{ height: 384 }, /^size\.width is undefined/],
    [[384, 640], /^size\.height is undefined/],
    [{ height: 384, width: 1e9 }, /^size\.width is 1000000000/],
  ])('are refused when they are %j', (value, message) => {
    expect(() => checkSize('size', value)).toThrow(refusal(message))
  })
})

describe('signals', () => {
  it('are AbortSignals, not controllers', () => {
    const controller = new AbortController()
    expect(checkSignal(controller.signal)).toBe(controller.signal)
    expect(checkSignal(undefined)).toBeUndefined()
    for (const value of [controller, null, {}, true]) {
      expect(() => checkSignal(value)).toThrow(refusal(/^signal is .*expected an AbortSignal/))
    }
  })
})
