import { abridged, listing } from '../base/listing.js'

/** What is wrong with a label file, as a sentence without its subject and its end. */
export class LabelProblem extends Error {}

/** Characters; keeps patterns from trying every split of a line that is no name. */
const MAX_LINE = 1000

const LIST_INSTEAD = 'If the numbers belong to the names, give a JSON list of names'

/** A number before or after a name, and what stands between. No character fits two places that follow each other. */
const FORMS = [
  { pattern: /^(?<id>\d{1,9})\s*[:;,=\t]\s*(?<name>.*)$/, where: 'before' },
  { pattern: /^(?<name>.*\S) *[:;,=\t]\s*(?<id>\d{1,9})$/, where: 'after' },
] as const
const SPACED = /^(?<id>\d{1,9}) +(?<name>\S.*)$/

/** One name a line, with or without its class id beside it. */
export function labelsFromLines(text: string): string[] {
  const lines = text
    .trimEnd()
    .split(/\r\n|[\n\r]/)
    .map((line) => line.trim())
  const long = lines.findIndex((line) => line.length > MAX_LINE)
  if (long >= 0) throw new LabelProblem(`has ${lines[long]!.length} characters in line ${long + 1}`)
  const filled = lines.flatMap((line, i) => (line === '' ? [] : [{ line, number: i + 1 }]))
  for (const { pattern, where } of FORMS) {
    const matches = filled.map(({ line }) => pattern.exec(line)?.groups)
    if (matches.every((it) => it === undefined)) continue
    const without = matches.indexOf(undefined)
    if (without < 0) return byIndex(matches.map((it) => [Number(it!.id), unquoted(it!.name!)]))
    const other = filled[matches.findIndex((it) => it !== undefined)]!
    throw new LabelProblem(
      `has a number ${where} the name in line ${other.number} (${shown(other.line)}), but none in line ` +
        `${filled[without]!.number} (${shown(filled[without]!.line)}). ${LIST_INSTEAD}`,
    )
  }
  const spaced = filled.map(({ line }) => SPACED.exec(line)?.groups)
  const least = spaced.reduce((low, it) => Math.min(low, Number(it?.id)), Number.POSITIVE_INFINITY)
  // Names such as "20 km/h" begin with numbers too, but those do not count from 0 or 1.
  if (!(least <= 1)) return lines
  const labels = byIndex(spaced.map((it) => [Number(it!.id), it!.name!]))
  if (new Set(labels).size === labels.length) return labels
  throw new LabelProblem(`has the same name after several numbers. ${LIST_INSTEAD}`)
}

/** Names in the order of their class ids, which count from 0 or 1 without a gap. */
export function byIndex(entries: readonly (readonly [id: number, name: string])[]): string[] {
  const names = new Map<number, string>()
  for (const [id, name] of entries) {
    if (names.has(id))
      throw new LabelProblem(`gives the class id ${id} twice (${shown(names.get(id)!)}, ${shown(name)})`)
    names.set(id, name)
  }
  const first = names.has(0) ? 0 : 1
  const last = [...names.keys()].reduce((high, id) => Math.max(high, id), 0)
  const labels = Array.from(names, (_, i) => names.get(first + i))
  const missing = labels.flatMap((label, i) => (label === undefined ? [String(first + i)] : []))
  if (missing.length === 0) return labels as string[]
  throw new LabelProblem(
    `gives ${names.size} class ids up to ${last}, but lacks ` +
      `${listing(missing, 5)}. Give every class an id, counted from 0, also those without a name`,
  )
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) && text.length >= 2 ? text.slice(1, -1) : text
}

function shown(text: string): string {
  return `"${abridged(text)}"`
}
