export type Alignment = 'left' | 'right'

/**
 * Rows of cells as lines, each column as wide as its widest cell, two spaces between.
 *
 * @param alignments of the columns; to the left beyond its end
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  alignments: readonly Alignment[] = [],
): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => (i < row.length ? row[i].length : 0))),
  )
  const padded = (cell: string, i: number) =>
    alignments[i] === 'right' ? cell.padStart(widths[i]) : cell.padEnd(widths[i])
  return rows.map((row) => row.map(padded).join('  ').trimEnd())
}
