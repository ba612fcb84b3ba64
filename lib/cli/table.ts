// Letters of many scripts, and emoji, take two columns or none.
import stringWidth from 'string-width'
import { abridged } from '../base/listing.js'

export type Alignment = 'left' | 'right'

/** Letters of a cell: long ones would make all rows as wide. */
const MAX_CELL = 1000

/**
 * Rows of cells as lines, each column as wide as its widest cell, two spaces between.
 *
 * @param alignments of the columns; to the left beyond its end
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  alignments: readonly Alignment[] = [],
): string[] {
  const widths: number[] = []
  const cells = rows.map((row) =>
    row.map((cell, i) => {
      const text = abridged(cell, MAX_CELL)
      const width = stringWidth(text)
      widths[i] = Math.max(widths[i] ?? 0, width)
      return { text, width }
    }),
  )
  return cells.map((row) =>
    row
      .map(({ text, width }, i) => {
        const space = ' '.repeat(widths[i] - width)
        return alignments[i] === 'right' ? space + text : text + space
      })
      .join('  ')
      .trimEnd(),
  )
}
