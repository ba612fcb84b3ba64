import { listing } from '../../base/listing.js'
import { SAVE_STATE_DICT } from '../advice.js'
import { className, isKind, type PickleObject, type PickleValue } from './pickle-values.js'
import { isTensor } from './tensor.js'

/** The tensors that were chosen from a saved object, and in sentences what was chosen and what was not. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, PickleValue>
  readonly notes: readonly string[]
  /** The model's name that a trainer (timm) stored beside its weights. */
  readonly arch?: string
}

/**
 * Where trainers put the weights. Averages come first, as trainers evaluate them (timm and effdet validate
 * `state_dict_ema`), then the plain weights under the names in use.
 */
const AVERAGES = ['state_dict_ema', 'model_ema', 'ema_state_dict', 'ema']
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

/** `{ema: {module: {state_dict: …}}}` is about the deepest that occurs. */
const MAX_DEPTH = 4

/**
 * Chooses the state dict in what torch.save was given: the dictionary itself, one inside under a known name (averages
 * first), or several under names that become prefixes.
 *
 * @returns the tensors, or the reason why there are none as a sentence without a subject.
 */
export function chooseStateDict(root: PickleValue): StateDict | string {
  const mapping = mappingOf(root)
  if (!mapping) return notADictionary(root)
  const known = Array.from({ length: MAX_DEPTH }, () => new Map<PickleValue, Choice | string>())
  const choice = choose(mapping, known)
  if (typeof choice === 'string') return choice

  const notes: string[] = []
  const isOne = choice.length === 1
  const outermost = new Set(choice.flatMap(({ path }) => path.slice(0, 1)))
  if (outermost.size > 0) {
    if (isOne) {
      const { path } = choice[0]!
      const kind = path.some((key) => AVERAGES.includes(key)) ? ' (averaged over training steps)' : ''
      notes.push(`The weights are those under "${path.join('.')}"${kind}.`)
    }
    const others = [...mapping].filter(([key]) => !outermost.has(key))
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

  const arch = outermost.size === 0 ? undefined : mapping.get('arch')
  return { tensors, notes, ...(typeof arch === 'string' && { arch }) }
}

type Mapping = ReadonlyMap<string, PickleValue>

interface Part {
  readonly mapping: Mapping
  /** The keys that lead to it; empty for the root. */
  readonly path: readonly string[]
}

/** One state dict, or several of which no name says which is the model. */
type Choice = readonly Part[]

/** More state dicts than a trainer puts into one file. */
const MAX_STATE_DICTS = 10

/**
 * What was chosen in each dictionary, by depth. A pickle may put one dictionary in a million places, and that in
 * a million places again.
 */
type Known = readonly Map<PickleValue, Choice | string>[]

function choose(mapping: Mapping, known: Known, depth = 0): Choice | string {
  for (const key of [...AVERAGES, ...PLAIN]) {
    const choice = chooseIn(mapping, key, known, depth)
    if (choice) return choice
  }
  if ([...mapping.values()].some(isTensor)) return [{ mapping, path: [] }]

  const others = [...mapping.keys()].flatMap((key) => chooseIn(mapping, key, known, depth) ?? [])
  if (others.length > MAX_STATE_DICTS) {
    const names = others.map(({ path }) => `"${path.join('.')}"`)
    return (
      `holds ${others.length} state dicts (${listing(names)}), and none has a name that says which is the model. ` +
      "Save the right one alone: torch.save(checkpoint['name'], 'weights.pth')."
    )
  }
  if (others.length > 0) return others
  if (mapping.size === 0) return 'holds an empty dictionary.'
  return `holds a dictionary without tensors: ${listed([...mapping])}. ${SAVE_STATE_DICT}`
}

function chooseIn(mapping: Mapping, key: string, known: Known, depth: number): Choice | undefined {
  const value = mapping.get(key)
  if (value === undefined || depth === MAX_DEPTH) return undefined
  let choice = known[depth].get(value)
  if (choice === undefined) {
    const inner = mappingOf(value)
    if (!inner) return undefined
    choice = choose(inner, known, depth + 1)
    known[depth].set(value, choice)
  }
  return typeof choice === 'string'
    ? undefined
    : choice.map(({ mapping, path }) => ({ mapping, path: [key, ...path] }))
}

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
