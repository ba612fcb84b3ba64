import type { CategoryEvaluation, CocoMetrics, Evaluation } from '../evaluate/evaluate.js'
import { print, printFacts } from './output.js'
import { formatTable } from './table.js'

/** Categories that are printed; all are told as JSON. */
const MAX_ROWS = 100

type Cells = readonly (string | number | null)[]

export function printEvaluation(evaluation: Evaluation): void {
  const { images, objects, detections, unknown, maxDetections, categories } = evaluation
  printFacts({
    pictures: String(images),
    objects: String(objects),
    detections: unknown === 0 ? String(detections) : `${detections}, and ${unknown} of unknown categories`,
  })
  printTable(metricsOf(evaluation, maxDetections))
  printCategories(
    ['category', 'objects', 'AP', 'AP50', `AR ${maxDetections[2]}`, 'F1', 'from score'],
    categories.map(({ name, objects, ap, ap50, ar, bestF1 }) => {
      return [name, String(objects), ap, ap50, ar[2], bestF1?.f1 ?? null, bestF1?.score ?? null]
    }),
  )
}

/** Two evaluations of the same ground truth side by side; categories by how much they changed. */
export function printComparison(first: Evaluation, second: Evaluation): void {
  const { images, objects, maxDetections } = first
  printFacts({
    pictures: String(images),
    objects: String(objects),
    detections: `${first.detections}, and ${second.detections} of the other`,
  })
  const others = metricsOf(second, maxDetections)
  const rows = metricsOf(first, maxDetections).map(([name, value], i): Cells => {
    const [, other] = others[i]
    return [name, value, other, change(value, other)]
  })
  printTable([['', 'these', 'other', 'other − these'], ...rows])
  const pairs = first.categories.map((category, i) => ({ category, other: second.categories[i] }))
  const changeOf = ({ category, other }: (typeof pairs)[number]) => {
    return Math.abs((other.ap ?? 0) - (category.ap ?? 0))
  }
  pairs.sort((a, b) => changeOf(b) - changeOf(a))
  printCategories(
    ['category', 'objects', 'AP', 'other', 'other − these', 'from score', 'other'],
    pairs.map(({ category, other }) => [
      category.name,
      String(category.objects),
      ...[category.ap, other.ap, change(category.ap, other.ap), scoreOf(category), scoreOf(other)],
    ]),
  )
}

function scoreOf({ bestF1 }: CategoryEvaluation): number | null {
  return bestF1?.score ?? null
}

function metricsOf(
  { ap, ap50, ap75, apSmall, apMedium, apLarge, ar, arSmall, arMedium, arLarge }: CocoMetrics,
  [first, second, most]: readonly number[],
): [name: string, value: number | null][] {
  return [
    ['AP', ap],
    ['AP50', ap50],
    ['AP75', ap75],
    ['AP small', apSmall],
    ['AP medium', apMedium],
    ['AP large', apLarge],
    [`AR ${first}`, ar[0]],
    [`AR ${second}`, ar[1]],
    [`AR ${most}`, ar[2]],
    ['AR small', arSmall],
    ['AR medium', arMedium],
    ['AR large', arLarge],
  ]
}

function change(from: number | null, to: number | null): string | null {
  if (from === null || to === null) return null
  return `${to < from ? '−' : '+'}${Math.abs(to - from).toFixed(4)}`
}

function printCategories(head: readonly string[], rows: readonly Cells[]): void {
  if (rows.length === 0) return
  printTable([head, ...rows.slice(0, MAX_ROWS)])
  if (rows.length > MAX_ROWS) print(`  and ${rows.length - MAX_ROWS} more, which --json tells`)
}

/** A name, and what belongs to it. */
function printTable(rows: readonly Cells[]): void {
  const texts = rows.map((cells) =>
    cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(4) : (cell ?? '–'))),
  )
  const aligned = formatTable(texts, ['left', ...new Array(rows[0].length - 1).fill('right')])
  print('', ...aligned.map((line) => `  ${line}`))
}
