/**
 * What a pickle describes, as plain data. Classes, functions and what they make stay names and notes: nothing is
 * imported, called or looked up.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleBytes
  | PickleSequence
  | PickleDict
  | PickleGlobal
  | PickleObject
  | PicklePersistent

export interface PickleBytes {
  readonly kind: 'bytes'
  readonly bytes: Uint8Array
}

interface PickleSequence {
  readonly kind: 'list' | 'tuple' | 'set'
  readonly items: PickleValue[]
}

interface PickleDict {
  readonly kind: 'dict'
  /** In the order of writing; a later entry replaces an earlier one with the same key. */
  readonly entries: [PickleValue, PickleValue][]
}

/** A class or function by its name, `module.name`. */
interface PickleGlobal {
  readonly kind: 'global'
  readonly name: string
}

/** What a class or function would have made of its arguments. */
export interface PickleObject {
  readonly kind: 'object'
  readonly class: string
  readonly args: readonly PickleValue[]
  /** What `__setstate__` or `__dict__` would have received. */
  state: PickleValue
  /** What would have been appended, for subclasses of list, set or deque. */
  readonly items: PickleValue[]
  /** What would have been set by key, for subclasses of dict such as `collections.OrderedDict`. */
  readonly entries: [PickleValue, PickleValue][]
}

/** A reference to something outside the pickle, such as PyTorch's storages. */
interface PicklePersistent {
  readonly kind: 'persistent'
  readonly id: PickleValue
}

type PickleStructure = Extract<PickleValue, { kind: string }>

/** Narrows to one of the structures. */
export function isKind<K extends PickleStructure['kind']>(
  value: PickleValue | undefined,
  kind: K,
): value is PickleStructure & { kind: K } {
  return typeof value === 'object' && value !== null && value.kind === kind
}

/** The class of a value as Python names it, for messages. */
export function className(value: PickleValue): string {
  if (value === null) return 'None'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float'
    case 'bigint':
      return 'int'
    case 'string':
      return 'str'
  }
  switch (value.kind) {
    case 'object':
      return value.class
    case 'global':
      return value.name
    case 'persistent':
      return 'storage'
    default:
      return value.kind
  }
}
