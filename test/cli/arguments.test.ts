import { InvalidArgumentError } from 'commander'
import { describe, expect, it } from 'vitest'
import {
  parseBatch,
  parseInteger,
  parseNumber,
  parsePath,
  parsePaths,
  parseRatios,
  parseScales,
  parseSize,
  parseThreshold,
  parseUrl,
  type Thresholds,
} from '#lib/cli/arguments.js'

const THIRD = 2 ** (1 / 3)
const TWO_THIRDS = 2 ** (2 / 3)

describe('score thresholds', () => {
  const parse = (...texts: string[]) =>
    texts.reduce<Thresholds>((others, text) => parseThreshold(text, others), { scoreThreshold: 0.4 })

  it('are one for all classes, and others for some', () => {
    expect(parse('0.3')).toEqual({ scoreThreshold: 0.3 })
    expect(parse('person=0.6', 'traffic light=.2')).toEqual({
      scoreThreshold: 0.4,
      classThresholds: { person: 0.6, 'traffic light': 0.2 },
    })
    expect(parse('a=b=1', '0.1', '0', '17=0.5')).toEqual({
      scoreThreshold: 0,
      classThresholds: { 'a=b': 1, 17: 0.5 },
    })
  })

  it.each(['person=', 'person=x', '=', 'x', '', '0.3=person'])('are numbers, unlike %j', (text) => {
    expect(() => parse(text)).toThrow(InvalidArgumentError)
  })
})

describe('anchor ratios', () => {
  it.each([
    ['1:1,1.4:0.7,0.7:1.4'],
    ['1:1, 1.4:.7, .7:1.4'],
    [' [ (1.0, 1.0), (1.4, 0.7), (0.7, 1.4) ] '],
    ['(1.0,1.0),(1.4,0.7),(0.7,1.4)'],
  ])('takes pairs literally: %s', (text) => {
    expect(parseRatios(text)).toEqual([
      [1, 1],
      [1.4, 0.7],
      [0.7, 1.4],
    ])
  })

  it('takes a pair whose product is not 1 as it stands', () => {
    expect(parseRatios('2:1,3:3')).toEqual([
      [2, 1],
      [3, 3],
    ])
  })

  it('makes boxes of one area out of single ratios', () => {
    const ratios = parseRatios('1,2,0.5')
    expect(ratios.map(([width, height]) => width / height)).toEqual([1, 2, 0.5].map((r) => expect.closeTo(r)))
    for (const [width, height] of ratios) expect(width * height).toBeCloseTo(1)
  })

  it.each([
    '',
    ' ',
    '[]',
    'abc',
    'x:y',
    '1:0',
    '0',
    '-1',
    '1:-1',
    '1:1:1',
    '1:',
    ':1',
    '1,,2',
    ',1',
    '1:1 1.4:0.7',
    '1:1;1.4:0.7',
    '(1.0, 1.0',
    '1.0, 1.0)',
    '[1.0, 2.0',
    '(1, 1, 1)',
    '(1)',
    '()',
    '[[1, 1], [1.4, 0.7]]',
    '{"a": 1}',
    '"1:1"',
    '1e2',
    '1..2',
    'NaN',
    'Infinity',
    '9'.repeat(400),
    "__import__('os').system('true')",
    'process.exit(7)',
    '`1`',
  ])('refuses %j with an example', (text) => {
    expect(() => parseRatios(text)).toThrow(InvalidArgumentError)
    expect(() => parseRatios(text)).toThrow(/such as 1:1,1\.4:0\.7,0\.7:1\.4/)
  })
})

describe('anchor scales', () => {
  it.each([
    ['1,1.26,1.59', [1, 1.26, 1.59]],
    ['[1, 1.26, 1.59]', [1, 1.26, 1.59]],
    ['2 ** 0, 2 ** (1.0 / 3.0), 2 ** (2.0 / 3.0)', [1, THIRD, TWO_THIRDS]],
    ['[2 ** 0, 2 ** (1.0 / 3.0), 2 ** (2.0 / 3.0)]', [1, THIRD, TWO_THIRDS]],
    ['[2**0,2**(1/3),2**(2/3)]', [1, THIRD, TWO_THIRDS]],
    ['2**0.5', [Math.SQRT2]],
  ])('reads %j', (text, scales) => {
    expect(parseScales(text)).toEqual(scales.map((scale) => expect.closeTo(scale, 12)))
  })

  it.each([
    '',
    '[]',
    '1,2,',
    '1,,2',
    '0',
    '-1',
    '1 1.26',
    '2 ** (1/0)',
    '2 ** 9999',
    '2 ** (1/3',
    // Two thirds in Python; nobody means that.
    '2 ** 1/3',
    '2 ** -1',
    '2 ** 2 ** 2',
    '1e3',
    'NaN',
    'eval(1)',
    "__import__('os')",
    '9'.repeat(400),
  ])('refuses %j with an example', (text) => {
    expect(() => parseScales(text)).toThrow(InvalidArgumentError)
    expect(() => parseScales(text)).toThrow(/such as 1,1\.26,1\.59 or \[2 \*\* 0/)
  })
})

describe('numbers', () => {
  it('takes a size as height × width, or one number as both', () => {
    expect(parseSize('384x640')).toEqual({ height: 384, width: 640 })
    expect(parseSize('384X640')).toEqual({ height: 384, width: 640 })
    expect(parseSize('384×640')).toEqual({ height: 384, width: 640 })
    expect(parseSize('512')).toEqual({ height: 512, width: 512 })
  })

  it.each(['', 'x', '384x', 'x640', '384 x 640', '-1', '1.5', '384,640', '384x640x3', '999999'])(
    'refuses %j as a size',
    (text) => {
      expect(() => parseSize(text)).toThrow(InvalidArgumentError)
    },
  )

  it('takes a batch as a number or dynamic', () => {
    expect([parseBatch('dynamic'), parseBatch('8')]).toEqual(['dynamic', 8])
    expect(() => parseBatch('many')).toThrow(/whole number, or dynamic/)
  })

  it('of paths are any texts but empty ones, such as shells make of variables that are not set', () => {
    expect(parsePaths(' ', parsePaths('-'))).toEqual(['-', ' '])
    expect(() => parsePath('')).toThrow(/Expected a path/)
  })

  it('of addresses are those that can be fetched from', () => {
    expect(parseUrl('http://127.0.0.1:9/a b')).toBe('http://127.0.0.1:9/a b')
    for (const text of ['', 'mirror', 'example.org/folder', 'file:///tmp', '/tmp'])
      expect(() => parseUrl(text)).toThrow(/Expected a URL/)
  })

  it('takes numbers only where they are finite, whole ones only in digits', () => {
    expect([parseNumber('0.4'), parseNumber('-1'), parseInteger('100')]).toEqual([0.4, -1, 100])
    for (const text of ['', ' ', 'high', '1,5', 'NaN', 'Infinity', '1e999']) {
      expect(() => parseNumber(text)).toThrow(InvalidArgumentError)
    }
    for (const text of ['', '-1', '1.0', '1e3', '0x10', '9'.repeat(20)]) {
      expect(() => parseInteger(text)).toThrow(InvalidArgumentError)
    }
  })
})
