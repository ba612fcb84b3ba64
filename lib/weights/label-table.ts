import { byIndex, LabelProblem, shown } from './label-ids.js'

const SEPARATORS = [',', ';', '\t', '|'] as const

const ID = /^\d{1,9}$/

/** Heads of columns, as people write them. */
const ID_HEAD = /^(?:#|(?:(?:class|category|cat|label)[ _-]?)?(?:id|index|idx|number|no))$/i
const NAME_HEAD = /^(?:(?:(?:class|category|cat|label|display)[ _-]?)?name|class|category|label)$/i

/**
 * Reads CSV and its kin: a column of class ids and one of names, and others if a first line has the columns' heads.
 *
 * @param lines those that are not empty
 * @returns null where the lines are no table
 */
export function labelsFromTable(lines: readonly string[]): string[] | null {
  for (const separator of SEPARATORS) {
    if (!lines[0]?.includes(separator)) continue
    const rows = lines.map((line) => cellsOf(line, separator))
    const [first] = rows
    if (first === undefined || first.length < 2 || rows.some(({ length }) => length !== first.length))
      continue
    const id = first.findIndex((head) => ID_HEAD.test(head))
    const name = first.findIndex((head) => NAME_HEAD.test(head))
    if (id >= 0 && name >= 0) return labelsFromColumns(rows.slice(1), id, name)
    const ids = first.flatMap((_, column) => (rows.every((row) => ID.test(row[column]!)) ? [column] : []))
    if (first.length === 2 && ids.length > 0) return labelsFromColumns(rows, ids[0]!, 1 - ids[0]!)
    throw new LabelProblem(
      `has ${first.length} columns (${shown(lines[0]!)}), and nothing tells which has the names. ` +
        "Give one name a line, or a first line with the columns' heads, such as id,name",
    )
  }
  return null
}

function labelsFromColumns(rows: readonly string[][], id: number, name: number): string[] {
  const wrong = rows.find((row) => !ID.test(row[id]!))
  if (wrong !== undefined) {
    throw new LabelProblem(`has ${shown(wrong[id]!)} where the column of class ids should have a number`)
  }
  return byIndex(rows.map((row) => [Number(row[id]), row[name]!]))
}

/** Cells of a line; quoted ones may hold the separator, and a quote as two. */
function cellsOf(line: string, separator: string): string[] {
  const cell = new RegExp(
    ` *(?:"(?<double>(?:[^"]|"")*)"|'(?<single>[^']*)'|(?<bare>[^${separator}]*)) *(?<end>[${separator}]|$)`,
    'y',
  )
  const cells: string[] = []
  for (let end = separator; end === separator; ) {
    const { double, single, bare, end: next } = cell.exec(line)!.groups!
    cells.push(double?.replaceAll('""', '"') ?? single ?? bare!.trim())
    end = next!
  }
  return cells
}
