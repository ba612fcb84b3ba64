import { MAX_CLASSES } from '../base/limits.js'
import { abridged } from '../base/listing.js'
import { LabelProblem } from './label-lines.js'

const TOKEN =
  /\s+|#[^\n]*|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<word>-?[\w.]+)|(?<sign>[{}:;,])/y

interface Item {
  id?: string
  name?: string
  display_name?: string
}

/**
 * Reads TensorFlow's label map: `item { id: 1 name: "…" display_name: "…" }`. Ids start at 1 and any may be left out.
 * Other fields, such as keypoints, are passed over.
 *
 * Source: object_detection/protos/string_int_label_map.proto.
 */
export function labelsFromPbtxt(text: string): string[] {
  const labels: string[] = []
  for (const { id, name, display_name } of itemsOf(text)) {
    const number = /^\d{1,6}$/.test(id ?? '') ? Number(id) : 0
    if (number < 1 || number > MAX_CLASSES) {
      throw new LabelProblem(
        `has an item with the id ${abridged(id ?? 'left out')}; label maps count from 1, to ${MAX_CLASSES} at most`,
      )
    }
    const label = display_name ?? name
    if (label === undefined) throw new LabelProblem(`has an item without a name (id ${number})`)
    if (labels[number - 1] !== undefined) throw new LabelProblem(`has several items with the id ${number}`)
    labels[number - 1] = label
  }
  return Array.from(labels, (label) => label ?? '')
}

function itemsOf(text: string): Item[] {
  const items: Item[] = []
  const open: string[] = []
  let last = ''
  let key = ''
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const groups = TOKEN.exec(text)?.groups
    if (groups === undefined) {
      throw new LabelProblem(`is a label map, but damaged in line ${text.slice(0, at).split('\n').length}`)
    }
    const { sign, word, text: quoted } = groups
    if (sign === '{') {
      if (open.length === 0) items.push({})
      open.push(last)
    } else if (sign === '}') {
      if (open.pop() === undefined) throw new LabelProblem('is a label map with a bracket too many')
    } else if (sign === ':') key = last
    else if (word !== undefined || quoted !== undefined) {
      const value = quoted === undefined ? word! : unescaped(quoted.slice(1, -1))
      if (open.length === 1 && (key === 'id' || key === 'name' || key === 'display_name')) {
        items.at(-1)![key] = value
      }
      key = ''
      last = value
    }
  }
  if (open.length > 0) throw new LabelProblem('is a label map that ends in the middle of an item')
  return items
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}
