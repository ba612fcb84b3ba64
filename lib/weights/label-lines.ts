import { byIndex, LabelProblem, shown } from './label-ids.js'
import { labelsFromTable } from './label-table.js'

/** Characters; keeps patterns from trying every split of a line that is no name. */
const MAX_LINE = 1000

const LIST_INSTEAD = 'If the numbers belong to the names, give a JSON list of names'

/** A comment of YAML, TensorFlow's label maps and many more; `#1` is a name. */
export const COMMENT = /^\s*#(?!\w)/

/** A number before or after a name, and what stands between. No character fits two places that follow each other. */
const FORMS = [
  { pattern: /^(?<id>\d{1,9})\s*[:;,=\t]\s*(?<name>.*)$/, where: 'before' },
  { pattern: /^(?<name>.*\S) *[:;,=\t]\s*(?<id>\d{1,9})$/, where: 'after' },
] as const

/** Less sure forms, for names may have such numbers themselves: `0 person`, `1. person`, `[0] person`, `0 -> person`. */
const NUMBERED = /^[[(]?(?<id>\d{1,9})(?:[.)\]]| *(?:[-=]>|-))? +(?<name>\S.*)$/
/** `person 0`, `person (0)`. */
const NUMBERED_AFTER = /^(?<name>.*\S) +[[(]?(?<id>\d{1,9})[\])]?$/

/** Signs of a file that is read by other rules than one name a line. */
const MARKUP =
  /^(?:[[\]{}]|#(?!\w)|\/\/|<[!?/]|<\w+(?: |\/?>)|\(["']|%YAML|---$|\.\.\.$|[-*] )|[[{(:=]$|[:=]\s*["'[({]|\w\s*[{<]\s*\w+\s*:/

interface Line {
  readonly text: string
  readonly number: number
}

/** One name a line, with or without its class id beside it. */
export function labelsFromLines(text: string): string[] {
  const lines = text
    .trimEnd()
    .split(/\r\n|[\n\r]/)
    .map((line) => line.trim())
  const long = lines.findIndex((line) => line.length > MAX_LINE)
  if (long >= 0) throw new LabelProblem(`has ${lines[long]!.length} characters in line ${long + 1}`)
  const filled = lines.flatMap((text, i) =>
    text === '' || COMMENT.test(text) ? [] : [{ text, number: i + 1 }],
  )
  return (
    labelsInQuotes(lines) ??
    labelsFromTable(filled.map(({ text }) => text)) ??
    labelsWithIds(filled) ??
    plainLabels(lines)
  )
}

/** The inside of a list in source code, or of CSV: every name is in quotes. */
function labelsInQuotes(lines: readonly string[]): string[] | null {
  const names = lines.map((line) => /^(?:(["'])(?<name>(?:(?!\1).)*)\1,?)?$/.exec(line))
  return names.includes(null) ? null : names.map((it) => it!.groups!.name ?? '')
}

function labelsWithIds(lines: readonly Line[]): string[] | null {
  for (const { pattern, where } of FORMS) {
    const matches = lines.map(({ text }) => pattern.exec(text)?.groups)
    if (matches.every((it) => it === undefined)) continue
    const without = lines[matches.indexOf(undefined)]
    if (without === undefined) return byIndex(matches.map((it) => [Number(it!.id), unquoted(it!.name!)]))
    const other = lines[matches.findIndex((it) => it !== undefined)]!
    throw new LabelProblem(
      `has a number ${where} the name in line ${other.number} (${shown(other.text)}), but none in line ` +
        `${without.number} (${shown(without.text)}). ${LIST_INSTEAD}`,
    )
  }
  return labelsNumbered(lines) ?? labelsNumberedAfter(lines)
}

function labelsNumbered(lines: readonly Line[]): string[] | null {
  const entries = entriesOf(lines, NUMBERED)
  // Names such as "20 km/h" begin with numbers too, but those do not count from 0 or 1.
  if (entries === null || !entries.some(([id]) => id <= 1)) return null
  const labels = byIndex(entries)
  if (new Set(labels).size === labels.length) return labels
  throw new LabelProblem(`has the same name after several numbers. ${LIST_INSTEAD}`)
}

/** Names that end in numbers, such as "class 1", are common: only different ones with all ids have them beside. */
function labelsNumberedAfter(lines: readonly Line[]): string[] | null {
  const entries = entriesOf(lines, NUMBERED_AFTER)
  if (entries === null) return null
  const ids = entries.map(([id]) => id).sort((a, b) => a - b)
  const areIds = ids.length > 1 && ids[0]! <= 1 && ids.every((id, i) => id === ids[0]! + i)
  return areIds && new Set(entries.map(([, name]) => name)).size === entries.length ? byIndex(entries) : null
}

function entriesOf(lines: readonly Line[], pattern: RegExp): [id: number, name: string][] | null {
  const matches = lines.map(({ text }) => pattern.exec(text)?.groups)
  return matches.includes(undefined) ? null : matches.map((it) => [Number(it!.id), unquoted(it!.name!)])
}

function plainLabels(lines: readonly string[]): string[] {
  const wrong = lines.findIndex((line) => MARKUP.test(line))
  if (wrong < 0) return [...lines]
  throw new LabelProblem(
    `has no plain name in line ${wrong + 1} (${shown(lines[wrong]!)}). ` +
      'If it is a name, give a JSON list; if not, take the line out',
  )
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) && text.length >= 2 ? text.slice(1, -1) : text
}
