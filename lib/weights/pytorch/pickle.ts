import { EfficientDetError } from '../../base/errors.js'
import {
  MAX_PICKLE_BYTES,
  MAX_PICKLE_CLASSES,
  MAX_PICKLE_DIGITS,
  MAX_PICKLE_LINE,
  MAX_PICKLE_MARKS,
  MAX_PICKLE_NAME,
  MAX_PICKLE_NAME_PARTS,
  MAX_PICKLE_OPCODES,
  MAX_PICKLE_VALUES,
} from '../../base/limits.js'
import { INCOMPLETE } from '../advice.js'
import type { ByteReader } from '../weights-file.js'
import { isUnsafe } from './pickle-globals.js'
import {
  Damage,
  damaged,
  floatOf,
  integerOf,
  longOf,
  memoIndex,
  rawUnicode,
  unescaped,
  unquote,
  utf8,
} from './pickle-scalars.js'
import { isKind, type PickleBytes, type PickleObject, type PickleValue } from './pickle-values.js'

export interface UnpickleOptions {
  /** For error messages: which file and part of it this is. */
  readonly name: string
  /** Gives what a persistent id stands for. Defaults to a `PicklePersistent`. */
  readonly resolve?: (id: PickleValue) => PickleValue
}

/**
 * Reads one pickle, of any protocol from 0 to 5, up to its STOP. The reader is left behind it.
 *
 * Every instruction counts, and every value, memo place and open mark (lib/base/limits.ts); there is no recursion.
 * The result may contain itself: walk it with a bound.
 *
 * Source: the opcodes' descriptions in CPython's pickletools.
 *
 * @throws ERR_WEIGHTS when it is damaged or uses what checkpoints never do (extension registry, out-of-band buffers);
 *   ERR_UNSAFE_PICKLE when it asks for something that could act, such as `os.system`.
 */
export function unpickle(reader: ByteReader, options: UnpickleOptions): PickleValue {
  try {
    return interpret(reader, options)
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    throw new EfficientDetError(
      'ERR_WEIGHTS',
      `${options.name}: the pickle ${error.message}, at byte ${reader.position}. ${INCOMPLETE}`,
    )
  }
}

function interpret(reader: ByteReader, { name, resolve = keep }: UnpickleOptions): PickleValue {
  const start = reader.position
  const memo = new Map<number, PickleValue>()
  /** The stack below the last mark is set aside, as CPython does, so that no opcode can reach beneath it. */
  const below: PickleValue[][] = []
  let stack: PickleValue[] = []
  /** Those made and those in the memo. */
  let values = 0
  let classes = 0

  function count(): void {
    values++
    if (values > MAX_PICKLE_VALUES) damaged(`makes more than ${MAX_PICKLE_VALUES} values`)
  }

  function push(value: PickleValue): void {
    count()
    stack.push(value)
  }

  function pop(): PickleValue {
    const value = stack.pop()
    return value === undefined ? damaged('takes more from its stack than it put there') : value
  }

  function top(): PickleValue {
    const value = stack.at(-1)
    return value === undefined ? damaged('uses an empty stack') : value
  }

  function popToMark(): PickleValue[] {
    const items = stack
    stack = below.pop() ?? damaged('needs a mark that it did not set')
    return items
  }

  function take(length: number): Uint8Array {
    return reader.take(length) ?? damaged(`needs ${length} bytes where fewer are left`)
  }

  function lineBytes(): Uint8Array {
    return (
      reader.takeLine(MAX_PICKLE_LINE) ??
      damaged(`ends within a line, or has one of over ${MAX_PICKLE_LINE} bytes`)
    )
  }

  function line(): string {
    return utf8(lineBytes())
  }

  function unsigned(bytes: 1 | 2 | 4 | 8): number {
    const view = viewOf(take(bytes))
    if (bytes === 1) return view.getUint8(0)
    if (bytes === 2) return view.getUint16(0, true)
    if (bytes === 4) return view.getUint32(0, true)
    // Lengths beyond 2⁵³ are rounded, which does not matter: no file is that long.
    return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
  }

  function remember(index: number): void {
    count()
    memo.set(index, top())
  }

  function recall(index: number): void {
    const value = memo.get(index)
    push(value === undefined ? damaged(`recalls memo ${index}, which it did not set`) : value)
  }

  function pushGlobal(module: PickleValue, attribute: PickleValue): void {
    if (typeof module !== 'string' || typeof attribute !== 'string') {
      damaged('names a class by something that is not text')
    }
    classes++
    if (classes > MAX_PICKLE_CLASSES) damaged(`names more than ${MAX_PICKLE_CLASSES} classes`)
    if (module.length > MAX_PICKLE_NAME || attribute.length > MAX_PICKLE_NAME) {
      damaged(`names a class of over ${MAX_PICKLE_NAME} letters`)
    }
    if (`${module}.${attribute}`.split('.').length > MAX_PICKLE_NAME_PARTS) {
      damaged(`names a class of over ${MAX_PICKLE_NAME_PARTS} parts`)
    }
    if (isUnsafe(module, attribute)) {
      const asked = `${module.replace(/^(posix|nt)$/, 'os').replace(/^__builtin__$/, 'builtins')}.${attribute}`
      throw new EfficientDetError(
        'ERR_UNSAFE_PICKLE',
        `${name}: the pickle asks for ${asked}, which could act on the computer of whoever loads it with Python. ` +
          'Nothing of it was run. Weights need no such thing: do not open this file with torch.load either, ' +
          'and get them from a source you trust.',
        { details: { global: `${module}.${attribute}` } },
      )
    }
    push({ kind: 'global', name: `${module}.${attribute}` })
  }

  function construct(callee: PickleValue, args: readonly PickleValue[]): void {
    if (!isKind(callee, 'global')) damaged('calls something that is neither class nor function')
    push(objectOf(callee.name, args))
  }

  /** The target of APPEND and its kin, which stay on the stack. */
  function listItems(): PickleValue[] {
    const target = top()
    if (isKind(target, 'list') || isKind(target, 'set') || isKind(target, 'object')) return target.items
    damaged('appends to something that is no list')
  }

  function setItems(pairs: readonly PickleValue[]): void {
    const target = top()
    if (!isKind(target, 'dict') && !isKind(target, 'object')) damaged('sets keys of what is no dict')
    addPairs(target.entries, pairs)
  }

  for (let opcodes = 0; ; opcodes++) {
    if (opcodes === MAX_PICKLE_OPCODES) damaged(`has more than ${MAX_PICKLE_OPCODES} instructions`)
    if (reader.position - start > MAX_PICKLE_BYTES) damaged(`is longer than ${MAX_PICKLE_BYTES} bytes`)
    const opcode = take(1)[0]
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = unsigned(1)
        if (protocol > 5) damaged(`has protocol ${protocol}, but 5 is the newest known`)
        break
      }
      case 0x95: // FRAME: a hint for buffering
        if (unsigned(8) > reader.end - reader.position) damaged('has a frame longer than what is left')
        break
      case 0x2e: // STOP
        return pop()

      // The stack.
      case 0x28: // MARK
        if (below.length === MAX_PICKLE_MARKS) damaged(`has more than ${MAX_PICKLE_MARKS} marks`)
        below.push(stack)
        stack = []
        break
      case 0x30: // POP, which takes a mark where that is on top
        if (stack.length > 0) stack.pop()
        else popToMark()
        break
      case 0x31: // POP_MARK
        popToMark()
        break
      case 0x32: // DUP
        push(top())
        break

      // The memo.
      case 0x70: // PUT
        remember(memoIndex(line()))
        break
      case 0x71: // BINPUT
        remember(unsigned(1))
        break
      case 0x72: // LONG_BINPUT
        remember(unsigned(4))
        break
      case 0x94: // MEMOIZE
        remember(memo.size)
        break
      case 0x67: // GET
        recall(memoIndex(line()))
        break
      case 0x68: // BINGET
        recall(unsigned(1))
        break
      case 0x6a: // LONG_BINGET
        recall(unsigned(4))
        break

      // Single values.
      case 0x4e: // NONE
        push(null)
        break
      case 0x88: // NEWTRUE
        push(true)
        break
      case 0x89: // NEWFALSE
        push(false)
        break
      case 0x4b: // BININT1
        push(unsigned(1))
        break
      case 0x4d: // BININT2
        push(unsigned(2))
        break
      case 0x4a: // BININT
        push(viewOf(take(4)).getInt32(0, true))
        break
      case 0x8a: // LONG1
        push(longOf(take(unsigned(1))))
        break
      case 0x8b: {
        // LONG4
        const length = unsigned(4)
        if (length > MAX_PICKLE_DIGITS) damaged(`has an integer of ${length} bytes`)
        push(longOf(take(length)))
        break
      }
      case 0x49: {
        // INT, which protocol 0 uses for booleans as well
        const text = line()
        push(text === '00' ? false : text === '01' ? true : integerOf(text))
        break
      }
      case 0x4c: // LONG
        push(integerOf(line().replace(/L$/, '')))
        break
      case 0x46: // FLOAT
        push(floatOf(line()))
        break
      case 0x47: // BINFLOAT
        push(viewOf(take(8)).getFloat64(0))
        break

      // Text and bytes; a `str` of Python 2 is text, as torch.load has it.
      case 0x53: // STRING
        push(unescaped(unquote(line())))
        break
      case 0x55: // SHORT_BINSTRING
      case 0x8c: // SHORT_BINUNICODE
        push(utf8(take(unsigned(1))))
        break
      case 0x54: // BINSTRING
      case 0x58: // BINUNICODE
        push(utf8(take(bounded(unsigned(4)))))
        break
      case 0x8d: // BINUNICODE8
        push(utf8(take(bounded(unsigned(8)))))
        break
      case 0x56: // UNICODE, "raw unicode escape"
        push(rawUnicode(lineBytes()))
        break
      case 0x43: // SHORT_BINBYTES
        push(bytesOf(take(unsigned(1))))
        break
      case 0x42: // BINBYTES
        push(bytesOf(take(bounded(unsigned(4)))))
        break
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        push(bytesOf(take(bounded(unsigned(8)))))
        break

      // Sequences.
      case 0x5d: // EMPTY_LIST
        push({ kind: 'list', items: [] })
        break
      case 0x6c: // LIST
        push({ kind: 'list', items: popToMark() })
        break
      case 0x61: {
        // APPEND
        const item = pop()
        listItems().push(item)
        break
      }
      case 0x65: // APPENDS
      case 0x90: {
        // ADDITEMS
        const items = popToMark()
        const target = listItems()
        for (const item of items) target.push(item)
        break
      }
      case 0x29: // EMPTY_TUPLE
        push({ kind: 'tuple', items: [] })
        break
      case 0x74: // TUPLE
        push({ kind: 'tuple', items: popToMark() })
        break
      case 0x85: // TUPLE1
        push({ kind: 'tuple', items: [pop()] })
        break
      case 0x86: // TUPLE2
        push({ kind: 'tuple', items: [pop(), pop()].reverse() })
        break
      case 0x87: // TUPLE3
        push({ kind: 'tuple', items: [pop(), pop(), pop()].reverse() })
        break
      case 0x8f: // EMPTY_SET
        push({ kind: 'set', items: [] })
        break
      case 0x91: // FROZENSET
        push({ kind: 'set', items: popToMark() })
        break

      // Dictionaries.
      case 0x7d: // EMPTY_DICT
        push({ kind: 'dict', entries: [] })
        break
      case 0x64: {
        // DICT
        const entries: [PickleValue, PickleValue][] = []
        addPairs(entries, popToMark())
        push({ kind: 'dict', entries })
        break
      }
      case 0x73: {
        // SETITEM
        const value = pop()
        setItems([pop(), value])
        break
      }
      case 0x75: // SETITEMS
        setItems(popToMark())
        break

      // Classes, functions and what they make.
      case 0x63: {
        // GLOBAL
        const module = line()
        pushGlobal(module, line())
        break
      }
      case 0x93: {
        // STACK_GLOBAL
        const attribute = pop()
        pushGlobal(pop(), attribute)
        break
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = pop()
        if (!isKind(args, 'tuple')) damaged('calls a class with what is no tuple')
        construct(pop(), args.items)
        break
      }
      case 0x92: {
        // NEWOBJ_EX; keyword arguments say nothing about weights
        pop()
        const args = pop()
        if (!isKind(args, 'tuple')) damaged('calls a class with what is no tuple')
        construct(pop(), args.items)
        break
      }
      case 0x69: {
        // INST
        const module = line()
        pushGlobal(module, line())
        const callee = pop()
        construct(callee, popToMark())
        break
      }
      case 0x6f: {
        // OBJ
        const [callee = null, ...args] = popToMark()
        construct(callee, args)
        break
      }
      case 0x62: {
        // BUILD
        const state = pop()
        const target = top()
        if (!isKind(target, 'object')) damaged('gives a state to what is no object')
        target.state = state
        break
      }

      // Things outside.
      case 0x50: // PERSID
        push(resolve(line()))
        break
      case 0x51: // BINPERSID
        push(resolve(pop()))
        break
      case 0x82: // EXT1
      case 0x83: // EXT2
      case 0x84: // EXT4
        return damaged('uses the extension registry, whose content only its writer knows')
      case 0x97: // NEXT_BUFFER
      case 0x98: // READONLY_BUFFER
        return damaged('needs buffers that were kept outside of the file')
      default:
        return damaged(`has the unknown opcode 0x${opcode.toString(16).padStart(2, '0')}`)
    }
  }
}

/** Functions of Python that make an object of the class that is their first argument. */
const MAKERS = new Set(['copyreg._reconstructor', 'copyreg.__newobj__', 'copyreg.__newobj_ex__'])

function objectOf(callee: string, args: readonly PickleValue[]): PickleObject {
  const name = callee.replace(/^copy_reg\./, 'copyreg.')
  const [made, ...rest] = args
  if (MAKERS.has(name) && isKind(made, 'global')) return objectOf(made.name, rest)
  return { kind: 'object', class: name, args, state: null, items: [], entries: [] }
}

function keep(id: PickleValue): PickleValue {
  return { kind: 'persistent', id }
}

function addPairs(entries: [PickleValue, PickleValue][], pairs: readonly PickleValue[]): void {
  if (pairs.length % 2 !== 0) damaged('has a key without a value')
  for (let i = 0; i < pairs.length; i += 2) entries.push([pairs[i], pairs[i + 1]])
}

function bounded(length: number): number {
  return length <= MAX_PICKLE_BYTES ? length : damaged(`has a text or byte string of ${length} bytes`)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A copy: the reader's bytes do not last. */
function bytesOf(bytes: Uint8Array): PickleBytes {
  return { kind: 'bytes', bytes: bytes.slice() }
}
