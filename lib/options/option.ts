import { inspect } from '../base/inspect.js'
import { checkInteger, checkNames, checkNumber, checkOneOf, checkPath, invalidOption } from './checks.js'

/**
 * One option: its check, default and help. Names, settings, flags and `--help` follow from tables of these; a test
 * compares README and docstrings with them.
 */
export interface Option<T> {
  /** How its values are written as text. */
  readonly type: 'integer' | 'number' | 'choice' | 'flag' | 'path' | 'other'
  /** Which there are, of a choice. */
  readonly choices: readonly string[]
  /** @throws EfficientDetError ERR_INVALID_OPTION */
  readonly check: (name: string, value: unknown) => T
  readonly default: Default<T>
  /** A noun phrase, for people. */
  readonly help: string
}

/** What stands for an option that was not given, and how people are told of it. */
export interface Default<T> {
  readonly value: T
  /** Empty where there is nothing to tell. */
  readonly shown: string
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** Tables with an entry for each option of an interface, and no other. */
export type OptionsOf<Options> = { readonly [Name in keyof Required<Options>]: Option<unknown> }

/** What the options of a table come to. */
export type Settings<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never
}

/** @param shown where the value alone says too little */
export function byDefault<const T>(value: T, shown = value == null ? '' : String(value)): Default<T> {
  return { value, shown }
}

export function integer<D>(help: string, min: number, max: number, standard: Default<D>): Option<number | D> {
  const check = (name: string, value: unknown) => checkInteger(name, value, min, max)
  return { type: 'integer', choices: [], check, default: standard, help }
}

export function number<D>(help: string, min: number, max: number, standard: Default<D>): Option<number | D> {
  const check = (name: string, value: unknown) => checkNumber(name, value, min, max)
  return { type: 'number', choices: [], check, default: standard, help }
}

export function choice<const T extends string, D>(
  help: string,
  choices: readonly T[],
  standard: Default<D>,
): Option<T | D> {
  const check = (name: string, value: unknown) => checkOneOf(name, value, choices)
  return { type: 'choice', choices, check, default: standard, help }
}

export function flag(help: string, standard: boolean): Option<boolean> {
  const check = (name: string, value: unknown) => {
    if (typeof value === 'boolean') return value
    throw invalidOption(name, value, 'true or false')
  }
  return { type: 'flag', choices: [], check, default: byDefault<boolean>(standard), help }
}

/** @param shown what is taken where none is given */
export function path(help: string, shown: string): Option<string | null> {
  return { type: 'path', choices: [], check: checkPath, default: byDefault(null, shown), help }
}

export function other<T>(
  help: string,
  check: (name: string, value: unknown) => T,
  standard: Default<T>,
): Option<T> {
  return { type: 'other', choices: [], check, default: standard, help }
}

export function callback<F extends (...args: never[]) => void>(help: string): Option<F> {
  const check = (name: string, value: unknown) => {
    if (typeof value === 'function') return value as F
    throw invalidOption(name, value, 'a function')
  }
  return other(help, check, byDefault((() => {}) as unknown as F, ''))
}

/**
 * Checks options against their table.
 *
 * @param what they are, such as `the load options`
 * @param further names that are checked elsewhere
 * @param prefix of names in messages, such as `engine.`
 * @returns what is given, or else the default, of each in the table
 * @throws EfficientDetError ERR_INVALID_OPTION
 */
export function checkOptions<Table extends OptionTable>(
  what: string,
  options: unknown,
  table: Table,
  { further = [], prefix = '' }: { readonly further?: readonly string[]; readonly prefix?: string } = {},
): Settings<Table> {
  return inspect(what, () => {
    checkNames(what, options, [...Object.keys(table), ...further])
    const given = (options ?? {}) as Readonly<Record<string, unknown>>
    const settings: Record<string, unknown> = {}
    for (const [name, option] of Object.entries(table)) {
      const value = given[name]
      settings[name] = value === undefined ? option.default.value : option.check(prefix + name, value)
    }
    return settings as Settings<Table>
  })
}
