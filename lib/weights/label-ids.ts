import { MAX_CLASSES } from '../base/limits.js'
import { abridged, listing } from '../base/listing.js'

/** What is wrong with a label file, as a sentence without its subject and its end. */
export class LabelProblem extends Error {}

/** Text of a file for a message. */
export function shown(text: string): string {
  return `"${abridged(text)}"`
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

/** Names by ids as COCO and TensorFlow count them: class id = id − 1, and ids that are left out have no name. */
export function byCategoryId(entries: readonly (readonly [id: string, name: string])[]): string[] {
  const labels: string[] = []
  for (const [id, name] of entries) {
    const number = /^\d{1,6}$/.test(id) ? Number(id) : 0
    if (number < 1 || number > MAX_CLASSES) {
      throw new LabelProblem(
        `has an item with the id ${abridged(id)}; label maps count from 1, to ${MAX_CLASSES} at most`,
      )
    }
    if (labels[number - 1] !== undefined) throw new LabelProblem(`has several items with the id ${number}`)
    labels[number - 1] = name
  }
  return Array.from(labels, (label) => label ?? '')
}
