import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { unpickle } from '#lib/weights/pytorch/pickle.js'
import { className } from '#lib/weights/pytorch/pickle-values.js'
import { memoryReader, pickle, plain } from '../../helpers/pickles.js'

const byProtocol: Record<string, string> = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'weights', 'pickles.json'), 'utf8'),
)

const read = (bytes: Uint8Array) => unpickle(memoryReader(bytes), { name: 'test.pth' })
const damaged = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_WEIGHTS', message: expect.stringMatching(message) })

describe('values', () => {
  it.each(Object.keys(byProtocol))('reads what Python writes with protocol %s', (protocol) => {
    const { namespace, ordered, ...rest } = Object(plain(read(Buffer.from(byProtocol[protocol], 'hex'))))
    expect(rest).toEqual({
      none: null,
      flags: [true, false],
      integers: [0, -1, 255, 65535, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 2n ** 53n + 1n, -(2n ** 100n)],
      numbers: [0.1, -1e300, 1e-5, Infinity, -Infinity],
      text: 'grün\n\\u0041 "x" 😀',
      tuples: [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]].map((tuple) => ({ tuple })),
      empty: {},
      again: [true, false],
    })
    expect(namespace).toMatchObject({ class: 'argparse.Namespace', state: { lr: 0.01 } })
    expect(ordered).toMatchObject({
      class: 'collections.OrderedDict',
      entries: [
        ['a', 1],
        ['b', 2],
      ],
    })
  })

  it.each([
    ['bytes', pickle('C', 2, '\x00\xff', '.'), { bytes: [0, 255] }],
    ['long byte strings', pickle('B', '\x03\0\0\0', 'abc', '.'), { bytes: [97, 98, 99] }],
    ['bytearrays', pickle('\x96', '\x01', '\0\0\0\0\0\0\0', 'a', '.'), { bytes: [97] }],
    ['sets', pickle('\x8f(K', 1, 'K', 2, '\x90.'), { set: [1, 2] }],
    ['frozen sets', pickle('(K', 1, '\x91.'), { set: [1] }],
    ['text of Python 2', pickle("S'a\\n\\x41\\''\n."), "a\nA'"],
    [
      'binary text of Python 2',
      pickle('U', 2, 'hi', 'T', '\x01\0\0\0', 'x', '\x86.'),
      { tuple: ['hi', 'x'] },
    ],
    ['lists and dictionaries made from marks', pickle('(K', 1, '(I2\nI3\ndl.'), [1, { 2: 3 }]],
    ['single items', pickle(']K', 1, 'a.'), [1]],
    ['duplicates', pickle('K', 1, '2\x86.'), { tuple: [1, 1] }],
    ['discarded values', pickle('K', 1, 'K', 2, '0(K', 3, '1.'), 1],
    [
      'persistent ids',
      pickle('Pkey\n', 'U', 1, 'k', 'Q\x86.'),
      { tuple: [{ persistent: 'key' }, { persistent: 'k' }] },
    ],
    ['text memo indices', pickle('K', 7, 'p12\ng12\n\x86.'), { tuple: [7, 7] }],
    ['four-byte memo indices', pickle('K', 7, 'r\0\x01\0\0j\0\x01\0\0\x86.'), { tuple: [7, 7] }],
    ['None from the memo', pickle('N\x940h', 0, '.'), null],
    ['frames', pickle('\x80', 4, '\x95', '\x03\0\0\0\0\0\0\0', 'K', 5, '.'), 5],
    [
      'negative long integers',
      pickle('\x8a', 2, '\x00\xff', '\x8b', '\x01\0\0\0', '\x80', '\x86.'),
      { tuple: [-256, -128] },
    ],
  ])('reads %s', (_, bytes, expected) => {
    expect(plain(read(bytes))).toEqual(expected)
  })

  it('leaves the reader behind the pickle', () => {
    const reader = memoryReader(pickle('K', 1, '.', 'K', 2, '.'))
    expect([unpickle(reader, { name: '' }), unpickle(reader, { name: '' })]).toEqual([1, 2])
  })
})

describe('objects', () => {
  it.each([
    ['REDUCE', pickle('cmine\nBox\n(K', 1, 'tR.')],
    ['NEWOBJ', pickle('cmine\nBox\nK', 1, '\x85\x81.')],
    ['NEWOBJ_EX', pickle('cmine\nBox\nK', 1, '\x85}\x92.')],
    ['INST', pickle('(K', 1, 'imine\nBox\n.')],
    ['OBJ', pickle('(cmine\nBox\nK', 1, 'o.')],
    ['STACK_GLOBAL', pickle('U', 4, 'mine', 'U', 3, 'Box', '\x93K', 1, '\x85R.')],
    ['copyreg._reconstructor', pickle('ccopy_reg\n_reconstructor\n(cmine\nBox\nK', 1, 'tR.')],
    ['copyreg.__newobj__', pickle('ccopyreg\n__newobj__\n(cmine\nBox\nK', 1, 'tR.')],
  ])('stay inert placeholders when made with %s', (_, bytes) => {
    expect(plain(read(bytes))).toEqual({ class: 'mine.Box', args: [1] })
  })

  it('keep their state, items and entries', () => {
    const bytes = pickle('cmine\nBox\n)\x81}(K', 1, 'K', 2, 'ub', 'K', 3, 'a', 'K', 4, 'K', 5, 's.')
    expect(plain(read(bytes))).toEqual({
      class: 'mine.Box',
      args: [],
      state: { 1: 2 },
      items: [3],
      entries: [[4, 5]],
    })
  })

  it('are named by their classes', () => {
    const values = read(
      pickle('(K', 1, 'G', '\x3f\xe0\0\0\0\0\0\0', 'N\x88', 'U', 0, ')]}cmine\nBox\n)\x81l.'),
    )
    const names = typeof values === 'object' && values?.kind === 'list' ? values.items.map(className) : []
    expect(names).toEqual(['int', 'float', 'None', 'bool', 'str', 'tuple', 'list', 'dict', 'mine.Box'])
  })
})

describe('calls that could act', () => {
  it.each([
    ['GLOBAL', pickle('cos\nsystem\n(U', 2, 'id', 'tR.'), 'os.system'],
    ['GLOBAL of the module behind', pickle('cposix\nsystem\n.'), 'os.system'],
    ['STACK_GLOBAL', pickle('U', 2, 'nt', 'U', 6, 'system', '\x93.'), 'os.system'],
    ['INST', pickle('(i__builtin__\neval\n.'), 'builtins.eval'],
    ['OBJ', pickle('(csubprocess\nPopen\no.'), 'subprocess.Popen'],
    ['a memo', pickle('U', 2, 'os', '\x94U', 6, 'system', '\x94', '00h', 0, 'h', 1, '\x93.'), 'os.system'],
  ])('are refused by name when asked for with %s', (_, bytes, asked) => {
    expect(() => read(bytes)).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSAFE_PICKLE',
        message: expect.stringContaining(`asks for ${asked},`),
      }),
    )
  })
})

describe('damage', () => {
  it.each([
    ['an empty input', pickle(), /1 bytes where fewer are left/],
    ['a missing STOP', pickle('K', 1), /fewer are left/],
    ['STOP on an empty stack', pickle('.'), /takes more from its stack/],
    ['a pop below the mark', pickle('K', 1, '(\x85.'), /takes more from its stack/],
    ['a missing mark', pickle('K', 1, 't.'), /a mark that it did not set/],
    ['an unset memo index', pickle('h', 3, '.'), /recalls memo 3/],
    ['an unknown opcode', pickle('\xff.'), /unknown opcode 0xff/],
    ['a newer protocol', pickle('\x80', 6, 'N.'), /protocol 6/],
    ['a key without a value', pickle('}(K', 1, 'u.'), /key without a value/],
    ['an append to a number', pickle('K', 1, 'K', 2, 'a.'), /no list/],
    ['an entry in a list', pickle(']K', 1, 'K', 2, 's.'), /no dict/],
    ['a state for a list', pickle(']Nb.'), /no object/],
    ['a call of a number', pickle('K', 1, ')R.'), /neither class nor function/],
    ['a call of an object', pickle('cmine\nf\n)R)R.'), /neither class nor function/],
    ['arguments that are no tuple', pickle('cmine\nf\nK', 1, 'R.'), /no tuple/],
    ['a class name of numbers', pickle('K', 1, 'K', 2, '\x93.'), /not text/],
    ['a class name without end', pickle('cmine\nf'), /ends within a line/],
    ['a malformed integer', pickle('I0x1\n.'), /malformed integer/],
    ['a malformed number', pickle('F1e\n.'), /malformed number/],
    ['a malformed memo index', pickle('Np-1\n.'), /malformed memo index/],
    ['unquoted text', pickle('Sabc\n.'), /without quotes/],
    ['a frame that is too long', pickle('\x95', '\xff\0\0\0\0\0\0\0', 'N.'), /frame longer/],
    ['the extension registry', pickle('\x82', 1, '.'), /extension registry/],
    ['out-of-band buffers', pickle('\x97.'), /buffers/],
    ['text longer than the input', pickle('X', '\xff\xff\0\0', 'abc'), /65535 bytes where fewer are left/],
    ['text of 2⁶³ bytes', pickle('\x8d', '\0\0\0\0\0\0\0\x80', 'abc'), /byte string of 9223372036854776000/],
    [
      'a long integer of 1 MB',
      pickle('\x8b', '\0\0\x10\0', '\xff'.repeat(2 ** 20), '.'),
      /integer of 1048576 bytes/,
    ],
    ['a text integer of 1 MB', pickle('L', '9'.repeat(1e6), 'L\n.'), /malformed integer/],
    ['a class name of 1 MB', pickle('c', 'm'.repeat(1e6), '\nf\n.'), /over 500 letters/],
    ['a line of 2 MB', pickle('L', '9'.repeat(2e6), 'L\n.'), /one of over 1048576 bytes/],
    ['five million values', pickle('N'.repeat(5e6), '.'), /more than 2097152 values/],
  ])('is reported: %s', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(damaged(message))
  })

  it('names the file and the place', () => {
    expect(() => read(pickle('NNN\xff'))).toThrow(damaged(/^test\.pth: the pickle has .* at byte 4\./))
  })
})

describe('bounds', () => {
  it('reads ten thousand nested lists and a million nested tuples without recursion', () => {
    expect(className(read(pickle('('.repeat(1e4), 'l'.repeat(1e4), '.')))).toBe('list')
    expect(className(read(pickle('N', '\x85'.repeat(1e6), '.')))).toBe('tuple')
  })

  it('reads a list that contains itself', () => {
    expect(className(read(pickle(']q', 0, 'h', 0, 'a.')))).toBe('list')
  })

  it('shares what a pickle doubles sixty times', () => {
    expect(className(read(pickle(']', '2\x86'.repeat(60), '.')))).toBe('tuple')
  })
})
