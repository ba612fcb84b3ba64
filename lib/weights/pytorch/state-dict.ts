import { listing } from '../../base/listing.js'
import { SAVE_STATE_DICT } from '../advice.js'
import { isAveraged } from '../averaged.js'
import { className, isKind, type PickleObject, type PickleValue } from './pickle-values.js'
import { isTensor } from './tensor.js'

/** The tensors of a state dict in a saved object, and in sentences what was chosen and what was not. */
export interface StateDict {
  /** The keys that lead to it, such as `ema.module`; empty for the object itself, or where it is several. */
  readonly name: string
  readonly tensors: ReadonlyMap<string, PickleValue>
  readonly notes: readonly string[]
  /** The model's name that a trainer (timm) stored beside its weights. */
  readonly arch?: string
}

/** Where trainers put averages, which they evaluate (timm and effdet validate `state_dict_ema`). */
const AVERAGES = ['state_dict_ema', 'model_ema', 'ema_state_dict', 'ema']
/** Where they put plain weights. */
const PLAIN = [
  'state_dict',
  'model',
  'model_state_dict',
  'model_state',
  'net',
  'network',
  'weights',
  'params',
  'module',
]

/** What optimizers keep of each weight, under its name and in its shape. */
const OF_OPTIMIZER = /(?:^|[._])(?:optim\w*|exp_avg\w*|momentum\w*|grads?)(?:[._]|$)/i

/** `{ema: {module: {state_dict: …}}}` is about the deepest that occurs. */
const MAX_DEPTH = 4

/** More state dicts than a trainer puts into one file. */
const MAX_STATE_DICTS = 10

/**
 * Finds the state dicts in what torch.save was given, the likeliest first.
 *
 * Averages come before those under other names in use, these before the dictionary itself. At last come those under
 * any names, which become prefixes.
 *
 * @returns one at least, or the reason why there are none as a sentence without a subject.
 */
export function stateDictsIn(root: PickleValue): readonly StateDict[] | string {
  const mapping = mappingOf(root) ?? itemsOf(root)
  if (!mapping) return notADictionary(root)
  const known = Array.from({ length: MAX_DEPTH }, () => new Map<PickleValue, Choices>())
  const choices = choicesIn(mapping, known)
  return typeof choices === 'string' ? choices : choices.map((choice) => stateDictOf(mapping, choice))
}

function stateDictOf(root: Mapping, choice: Choice): StateDict {
  const notes: string[] = []
  const isOne = choice.length === 1
  const name = isOne ? choice[0]!.path.join('.') : ''
  const outermost = new Set(choice.flatMap(({ path }) => path.slice(0, 1)))
  if (outermost.size > 0) {
    if (isOne) {
      const kind = choice[0]!.path.some(isAveraged) ? ' (averaged over training steps)' : ''
      notes.push(`The weights are those under "${name}"${kind}.`)
    }
    const others = [...root].filter(([key]) => !outermost.has(key))
    if (others.length > 0) notes.push(`Ignored: ${listed(others)}.`)
  }

  const tensors = new Map<string, PickleValue>()
  const rest: [string, PickleValue][] = []
  for (const { mapping, path } of choice) {
    const prefix = isOne ? '' : `${path.join('.')}.`
    for (const [key, value] of mapping) {
      if (isTensor(value)) tensors.set(prefix + key, value)
      else rest.push([prefix + key, value])
    }
  }
  if (rest.length > 0) notes.push(`Left out, as they are no tensors: ${listed(rest)}.`)

  const arch = outermost.size === 0 ? undefined : root.get('arch')
  return { name, tensors, notes, ...(typeof arch === 'string' && { arch }) }
}

type Mapping = ReadonlyMap<string, PickleValue>

interface Part {
  readonly mapping: Mapping
  /** The keys that lead to it; empty for the root. */
  readonly path: readonly string[]
}

/** One state dict, or several of which no name says which is the model. */
type Choice = readonly Part[]

/** The likeliest first, or why there is none. */
type Choices = readonly Choice[] | string

/**
 * Choices in each dictionary, by depth.
 *
 * A pickle may put one dictionary in a million places, and that in a million places again.
 */
type Known = readonly Map<PickleValue, Choices>[]

function choicesIn(mapping: Mapping, known: Known, depth = 0): Choices {
  const keys = [...mapping.keys()]
  const named = [...new Set([...AVERAGES, ...keys.filter(isAveraged), ...PLAIN])]
  const choices = named.flatMap((key) => choicesUnder(mapping, key, known, depth)).slice(0, MAX_STATE_DICTS)
  if ([...mapping.values()].some(isTensor)) choices.push([{ mapping, path: [] }])
  const others = keys
    .filter((key) => !named.includes(key) && !OF_OPTIMIZER.test(key))
    .flatMap((key) => choicesUnder(mapping, key, known, depth)[0] ?? [])
  if (others.length > 0 && others.length <= MAX_STATE_DICTS) choices.push(others)
  if (choices.length > 0) return choices
  if (others.length > 0) {
    const names = others.map(({ path }) => `"${path.join('.')}"`)
    return (
      `holds ${others.length} state dicts (${listing(names)}), and none has a name that says which is the model. ` +
      "Save the right one alone: torch.save(checkpoint['name'], 'weights.pth')."
    )
  }
  if (mapping.size === 0) return 'holds an empty dictionary.'
  return `holds a dictionary without tensors: ${listed([...mapping])}. ${SAVE_STATE_DICT}`
}

function choicesUnder(mapping: Mapping, key: string, known: Known, depth: number): Choice[] {
  const value = mapping.get(key)
  if (value === undefined || depth === MAX_DEPTH) return []
  let choices = known[depth].get(value)
  if (choices === undefined) {
    const inner = mappingOf(value)
    if (!inner) return []
    choices = choicesIn(inner, known, depth + 1)
    known[depth].set(value, choices)
  }
  if (typeof choices === 'string') return []
  return choices.map((choice) => choice.map(({ mapping, path }) => ({ mapping, path: [key, ...path] })))
}

/** The dictionaries in a list or tuple, by their places. */
function itemsOf(value: PickleValue): Mapping | undefined {
  if (!isKind(value, 'list') && !isKind(value, 'tuple')) return undefined
  const items = [...value.items.slice(0, MAX_ITEMS).entries()]
  const mapping = new Map(items.map(([i, item]) => [String(i), item] as const))
  return items.some(([, item]) => mappingOf(item) !== undefined) ? mapping : undefined
}

/** More than anybody saves together. */
const MAX_ITEMS = 1000

/** A dictionary of any class by its text keys; only dictionaries have entries, whatever their class. */
function mappingOf(value: PickleValue | undefined): Mapping | undefined {
  const isDictionary =
    isKind(value, 'dict') ||
    (isKind(value, 'object') && (value.class === 'collections.OrderedDict' || value.entries.length > 0))
  if (!isDictionary) return undefined
  const mapping = new Map<string, PickleValue>()
  for (const [key, item] of value.entries) if (typeof key === 'string') mapping.set(key, item)
  return mapping
}

function notADictionary(root: PickleValue): string {
  if (isTensor(root)) return `holds a single tensor instead of a state dict. ${SAVE_STATE_DICT}`
  if (isKind(root, 'object')) {
    const wrapped = wrappedModule(root)
    const name = wrapped === undefined ? root.class : `${root.class} around ${wrapped.class}`
    return `holds a whole object of class ${name}, which only its source code can open. There: ${SAVE_STATE_DICT}`
  }
  return `holds a ${className(root)} instead of a state dict. ${SAVE_STATE_DICT}`
}

/** The module inside of DataParallel and its kin, by whose class a person knows it. */
function wrappedModule({ state }: PickleObject): PickleObject | undefined {
  const inner = mappingOf(mappingOf(state ?? undefined)?.get('_modules'))?.get('module')
  return isKind(inner, 'object') ? inner : undefined
}

/** The names of entries with their classes. */
function listed(entries: readonly (readonly [string, PickleValue])[]): string {
  return listing(entries.map(([key, value]) => `${key} (${isTensor(value) ? 'tensor' : className(value)})`))
}
