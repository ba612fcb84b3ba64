import { byCategoryId, LabelProblem } from './label-ids.js'

const TOKEN =
  /\s+|#[^\n]*|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<word>-?[\w.]+)|(?<sign>[{}<>[\]:;,])/y

/** Whether a text is a label map: what comes before its first item is comments and single fields. */
export function isLabelMap(text: string): boolean {
  return /^(?:(?:#[^\n]*|\w+ *: *(?:"[^"\n]*"|'[^'\n]*'))\n\s*)*item\s*:?\s*[[{<]/.test(text)
}

interface Item {
  id?: string
  name?: string
  display_name?: string
}

/**
 * Reads TensorFlow's label map: `item { id: 1 name: "…" display_name: "…" }`. Ids start at 1 and any may be left out.
 * Other fields, such as keypoints, are passed over.
 *
 * Source: object_detection/protos/string_int_label_map.proto, and protobuf.dev/reference/protobuf/textformat-spec.
 */
export function labelsFromPbtxt(text: string): string[] {
  return byCategoryId(
    itemsOf(text).map(({ id = 'left out', name, display_name }) => {
      const label = display_name ?? name
      if (label === undefined) throw new LabelProblem(`has an item without a name (id ${id})`)
      return [id, label]
    }),
  )
}

function itemsOf(text: string): Item[] {
  const items: Item[] = []
  /** The field of each message that is open. */
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
    const isIn = open.length === 1 && open[0] === 'item'
    if (sign === '{' || sign === '<') {
      if (open.length === 0 && last === 'item') items.push({})
      open.push(last)
    } else if (sign === '}' || sign === '>') {
      const closed = open.pop()
      if (closed === undefined) throw new LabelProblem('is a label map with a bracket too many')
      // Another message of a list may follow.
      last = closed
    } else if (sign === ':') key = last
    else if (quoted !== undefined) {
      const value = unescaped(quoted.slice(1, -1))
      const item = isIn ? items.at(-1) : undefined
      // Texts that follow each other are one.
      if (item !== undefined && (key === 'name' || key === 'display_name')) {
        item[key] = (last === key ? '' : (item[key] ?? '')) + value
      }
      last = ''
    } else if (word !== undefined) {
      if (isIn && key === 'id' && last === 'id') items.at(-1)!.id = word
      if (last !== key) key = ''
      last = word
    }
  }
  if (open.length > 0) throw new LabelProblem('is a label map that ends in the middle of an item')
  return items
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
}

/** Undoes the escapes of C. Numbers are bytes of UTF-8, as protobuf writes all that is not ASCII. */
function unescaped(text: string): string {
  const parts = text.match(/\\[0-7]{1,3}|\\x[\da-f]{1,2}|\\.|[^\\]+/gis) ?? []
  return Buffer.concat(
    parts.map((part) => {
      if (!part.startsWith('\\')) return Buffer.from(part)
      const sign = part.slice(1)
      if (/^[0-7]/.test(sign)) return Buffer.of(Number.parseInt(sign, 8) & 0xff)
      if (/^x./i.test(sign)) return Buffer.of(Number.parseInt(sign.slice(1), 16))
      return Buffer.from(ESCAPES[sign] ?? sign)
    }),
  ).toString()
}
