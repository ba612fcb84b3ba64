import { type Command, Option } from 'commander'
import type { OptionTable } from '../options/option.js'
import { parseInteger, parseNumber, parsePath } from './arguments.js'

/** How a value is written: `<n>`, and what reads it. */
interface Form {
  readonly placeholder: string
  readonly parse?: (text: string, previous: never) => unknown
}

const FORMS: Readonly<Record<string, Form>> = {
  integer: { placeholder: '<n>', parse: parseInteger },
  number: { placeholder: '<number>', parse: parseNumber },
  choice: { placeholder: '<name>' },
  path: { placeholder: '<path>', parse: parsePath },
}

/** Adds the flag of each option, with its help and default: `--max-batch-size <n>` for `maxBatchSize`. */
export function addFlags<Table extends OptionTable>(
  command: Command,
  table: Table,
  names: readonly (keyof Table & string)[],
): Command {
  for (const name of names) command.addOption(flagOf(table, name))
  return command
}

/** @param form for an option whose type alone does not tell it */
export function flagOf<Table extends OptionTable>(
  table: Table,
  name: keyof Table & string,
  form?: Form,
): Option {
  const { type, choices, default: standard, help } = table[name]
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  if (type === 'flag') {
    return standard.value === true
      ? new Option(`--no-${flag}`, `do not ${help}`)
      : new Option(`--${flag}`, help)
  }
  const { placeholder, parse } = form ?? FORMS[type]
  const shown = standard.shown === '' ? '' : ` (default: ${standard.shown})`
  const option = new Option(`--${flag} ${placeholder}`, help + shown)
  if (choices.length > 0) option.choices(choices)
  if (parse !== undefined) option.argParser(parse as (text: string, previous: unknown) => unknown)
  return option
}

/** The options of a table that flags tell. */
export function given<Flags extends object, Name extends keyof Flags>(
  flags: Flags,
  names: readonly Name[],
): Pick<Flags, Name> {
  return Object.fromEntries(
    names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  ) as Pick<Flags, Name>
}
