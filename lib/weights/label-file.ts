import { EfficientDetError } from '../base/errors.js'
import { MAX_CLASSES, MAX_LABEL_LETTERS, MAX_LABELS_LETTERS } from '../base/limits.js'
import { listing } from '../base/listing.js'
import { FileProblem, readSmallFile } from '../base/open-file.js'
import { show } from '../base/show.js'
import { parseYaml, YamlProblem } from '../base/yaml.js'
import { isLabels } from '../models/guards.js'
import { byCategoryId, byIndex, LabelProblem, shown } from './label-ids.js'
import { COMMENT, labelsFromLines } from './label-lines.js'
import { isLabelMap, labelsFromPbtxt } from './label-map.js'

/** Far more than names take: 10,000 of them need a tenth. */
const MAX_BYTES = 1 << 20

/** Keys under which trainers keep class names: YOLO, zylo, and others. */
const KEYS = ['names', 'obj_list', 'classes', 'class_names', 'labels', 'id2label', 'label2id', 'categories']

const KINDS =
  'one name a line; CSV with the columns id and name; a JSON or YAML list; a JSON or YAML object of names and class ' +
  "ids from 0; a YOLO data file (names); a project file of zylo's (obj_list); COCO's categories (id, name); " +
  'a TensorFlow label map (item { id: 1 name: … })'

/**
 * Reads class names from a file, in the order of class ids, whatever of these it is:
 *
 * - One name a line; an empty line is a class without a name.
 * - Lines whose numbers before or after every name are class ids: `0: person`, `0 person`, `1. person`, `person 0`.
 * - CSV, also with tabs, semicolons or bars: ids and names, in any columns if a first line has heads.
 * - JSON or YAML: a list, an object of ids and names either way round, or either under `names` (YOLO), `obj_list`
 *   (zylo), `classes`, `class_names`, `labels`, `id2label` or `label2id`.
 * - COCO's categories, objects with `id` and `name`: class id = id − 1, and ids that are left out are classes without
 *   a name.
 * - TensorFlow's label map (pbtxt), counted likewise. `display_name` wins over `name`.
 *
 * Class ids must be complete and different, and count from 0, or all from 1. The text is UTF-8, or UTF-16 with a byte
 * order mark.
 *
 * Its size is 1 MiB at most, or 64 kB of JSON or YAML.
 *
 * @returns one name per class, empty for classes without
 * @throws EfficientDetError ERR_LABELS, ERR_INVALID_OPTION
 */
export async function readLabels(path: string): Promise<string[]> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new EfficientDetError('ERR_INVALID_OPTION', `path is ${show(path)}; expected a file's path.`)
  }
  try {
    const labels = labelsOf(decoded(await bytesOf(path)))
    if (!isLabels(labels)) {
      throw new LabelProblem(
        `has more than ${MAX_CLASSES} names, or some of more than ${MAX_LABEL_LETTERS} letters, or ${MAX_LABELS_LETTERS} together`,
      )
    }
    if (labels.every((label) => label === '')) throw new LabelProblem('holds no names')
    const wrong = labels.findIndex((label) => /\p{Cc}/u.test(label))
    if (wrong >= 0) {
      throw new LabelProblem(
        `has a control character in the name of class ${wrong} (${shown(labels[wrong]!)})`,
      )
    }
    return labels
  } catch (cause) {
    if (!(cause instanceof LabelProblem)) throw cause
    throw new EfficientDetError('ERR_LABELS', `${path} ${cause.message}. Expected ${KINDS}.`, { cause })
  }
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readSmallFile(path, MAX_BYTES)
  } catch (cause) {
    if (!(cause instanceof FileProblem)) throw cause
    throw new LabelProblem(cause.message)
  }
}

function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
    if (!text.includes('\0')) return text
  } catch {
    if (encoding === 'utf-8') throw new LabelProblem(notUtf8(bytes))
  }
  throw new LabelProblem(
    'is text in UTF-16 or UTF-32 that is damaged or has no byte order mark. Save it as UTF-8',
  )
}

function notUtf8(bytes: Uint8Array): string {
  // Invalid bytes become U+FFFD, so the texts agree up to the first.
  const text = new TextDecoder().decode(bytes)
  const before = text.slice(0, text.indexOf('\uFFFD'))
  const position = Buffer.byteLength(before)
  const line = before.split('\n').length
  return (
    `is not UTF-8: byte 0x${bytes[position]!.toString(16)} in line ${line}, as Latin-1 and Windows code pages have. ` +
    'Save it as UTF-8 (iconv -f windows-1252 -t utf-8)'
  )
}

function labelsOf(text: string): string[] {
  const content = text.trim()
  if (isLabelMap(content)) return labelsFromPbtxt(content)
  // The list alone of an assignment in Python or TOML.
  const value = content.replace(/^\w{1,100} *= *(?=[[{])/, '')
  return isStructured(value) ? labelsFromValue(parsed(value)) : labelsFromLines(text)
}

/** Whether it is JSON or YAML; a YAML object of ids and names alone is read as lines. */
function isStructured(content: string): boolean {
  const lines = content.split(/\r\n|[\n\r]/).filter((line) => line.trim() !== '' && !COMMENT.test(line))
  const [first] = lines
  if (first === undefined) return false
  return (
    // `[0] person` is a line with its id.
    (/^\s*[[{]/.test(first) && !/^\s*\[\d+\] *[^\s,]/.test(first)) ||
    /^(?:---(?:\s|$)|%YAML\s)/.test(first) ||
    lines.some((line) => KEY.test(line)) ||
    (/^\s*-(?:\s|$)/.test(first) && lines.every((line) => /^\s|^-(?:\s|$)|^\.\.\.$/.test(line)))
  )
}

const KEY = new RegExp(`^(?:${KEYS.join('|')})\\s*:`)

/** Texts, lists, maps and null, with every scalar as it is written. */
function parsed(text: string): unknown {
  try {
    return parseYaml(text, 'texts')
  } catch (cause) {
    throw cause instanceof YamlProblem ? new LabelProblem(cause.message) : cause
  }
}

function labelsFromValue(value: unknown): string[] {
  if (Array.isArray(value)) return labelsFromList(value)
  if (!(value instanceof Map)) throw new LabelProblem('has neither a list nor an object')
  const key = KEYS.find((it) => value.has(it) && typeof value.get(it) === 'object')
  if (key !== undefined) {
    const labels = labelsFromValue(value.get(key))
    const count = value.get('nc')
    if (typeof count === 'string' && /^\d+$/.test(count) && Number(count) !== labels.length) {
      throw new LabelProblem(`has ${labels.length} ${key}, but nc is ${count}`)
    }
    return labels
  }
  const entries = [...value]
  const areIds = (texts: unknown[]) =>
    texts.every((text) => typeof text === 'string' && /^\d{1,9}$/.test(text))
  const keysAreIds = areIds(entries.map(([name]) => name))
  const valuesAreIds = areIds(entries.map(([, name]) => name))
  if (keysAreIds && valuesAreIds && entries.length > 0) {
    throw new LabelProblem('maps numbers to numbers, of which either could be class ids')
  }
  if (keysAreIds) return byIndex(entries.map(([id, name]) => [Number(id), nameOf(name)]))
  if (valuesAreIds) return byIndex(entries.map(([name, id]) => [Number(id), nameOf(name)]))
  throw new LabelProblem(
    `has an object whose keys are no class ids (${listing(
      entries.map(([it]) => String(it)),
      5,
    )})`,
  )
}

function labelsFromList(items: readonly unknown[]): string[] {
  const categories = items.filter((item) => item instanceof Map && item.has('id') && item.has('name'))
  if (items.length === 0 || categories.length < items.length) return items.map(nameOf)
  const entries = (categories as Map<string, unknown>[]).map(
    (category) => [nameOf(category.get('id')), nameOf(category.get('name'))] as const,
  )
  const countFromZero = entries.some(([id]) => id === '0') && entries.every(([id]) => /^\d{1,9}$/.test(id))
  return countFromZero ? byIndex(entries.map(([id, name]) => [Number(id), name])) : byCategoryId(entries)
}

function nameOf(value: unknown): string {
  if (value === null) return ''
  if (typeof value === 'string') return value.trim()
  throw new LabelProblem(`has a ${Array.isArray(value) ? 'list' : 'map'} where a class name should be`)
}
