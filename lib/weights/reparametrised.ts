import type { StoredTensor, Tensors } from './tensor.js'

/**
 * Puts the weights back that PyTorch split in two while it trained. Other reparametrisations cannot be known by name;
 * their weights become a reason.
 *
 * - pruned: `weight_orig` × `weight_mask`
 * - normalised: `weight_g` · `weight_v` / ‖`weight_v`‖, or `parametrizations.weight.original0` and `original1`
 *
 * Source: torch/nn/utils/prune.py, weight_norm.py, spectral_norm.py, parametrize.py and parametrizations.py.
 */
export function reparametrised(tensors: Tensors): Tensors {
  // The direction of a normalised weight may be pruned itself.
  return undone(undone(tensors, prunedWeights), unusualWeights)
}

/** A weight, and the names of the tensors that it was split into. */
interface Found {
  readonly name: string
  readonly value: StoredTensor | string
  readonly parts: readonly string[]
}

function undone(tensors: Tensors, find: (tensors: Tensors) => readonly Found[]): Tensors {
  const found = find(tensors)
  if (found.length === 0) return tensors
  const parts = new Set(found.flatMap((it) => it.parts))
  const rest = [...tensors].filter(([name]) => !parts.has(name))
  return new Map([...rest, ...found.map(({ name, value }) => [name, value] as const)])
}

function prunedWeights(tensors: Tensors): Found[] {
  return [...tensors].flatMap(([part, original]) => {
    const name = /^(.*)_orig$/s.exec(part)?.[1]
    const mask = tensors.get(`${name}_mask`)
    return name === undefined || mask === undefined
      ? []
      : [{ name, value: pruned(original, mask), parts: [part, `${name}_mask`] }]
  })
}

function unusualWeights(tensors: Tensors): Found[] {
  return [...hookedWeights(tensors), ...parametrisedWeights(tensors)]
}

/** Weights that hooks put together, as PyTorch did it before parametrizations. */
function hookedWeights(tensors: Tensors): Found[] {
  return [...tensors].flatMap(([part, first]) => {
    const [, name, kind] = /^(.*)_(orig|g)$/s.exec(part) ?? []
    const [direction, iterate] = [`${name}_v`, `${name}_u`]
    if (name === undefined) return []
    if (kind === 'g' && tensors.has(direction)) {
      return [{ name, value: normalised(first, tensors.get(direction)!), parts: [part, direction] }]
    }
    return kind === 'orig' && tensors.has(iterate)
      ? [{ name, value: 'under spectral norm', parts: [part, iterate, direction] }]
      : []
  })
}

/** Weights under parametrizations, of which several may follow each other. */
function parametrisedWeights(tensors: Tensors): Found[] {
  const all = new Map<string, Map<string, StoredTensor | string>>()
  for (const [part, tensor] of tensors) {
    const [, owner = '', name, rest] = /^(.*\.)?parametrizations\.(\w+)\.(.+)$/s.exec(part) ?? []
    if (rest === undefined) continue
    const parts = all.get(owner + name) ?? new Map<string, StoredTensor | string>()
    parts.set(rest, tensor)
    all.set(owner + name, parts)
  }
  return [...all].flatMap(([name, parts]) => {
    const at = name.lastIndexOf('.') + 1
    const path = `${name.slice(0, at)}parametrizations.${name.slice(at)}.`
    const value = parametrised(parts)
    return value === null ? [] : [{ name, value, parts: [...parts.keys()].map((part) => path + part) }]
  })
}

/** @param parts by their names below the weight's; null where they are none of a parametrization */
function parametrised(parts: Tensors): StoredTensor | string | null {
  const [length, direction] = [parts.get('original0'), parts.get('original1')]
  if (length !== undefined && direction !== undefined && parts.size === 2) {
    return normalised(length, direction)
  }
  if (length === undefined && !parts.has('original')) return null
  return parts.has('0._u') && parts.size === 3 ? 'under spectral norm' : 'under a parametrization'
}

function pruned(original: StoredTensor | string, mask: StoredTensor | string): StoredTensor | string {
  if (typeof original === 'string') return original
  if (typeof mask === 'string') return mask
  if (original.shape.join() !== mask.shape.join()) return 'pruned by a mask of another shape'
  return {
    dtype: original.dtype,
    shape: original.shape,
    async read() {
      const kept = await mask.read()
      return (await original.read()).map((value, i) => value * kept[i]!)
    },
  }
}

function normalised(length: StoredTensor | string, direction: StoredTensor | string): StoredTensor | string {
  if (typeof length === 'string') return length
  if (typeof direction === 'string') return direction
  const { shape } = direction
  // The lengths are those along one axis, or one of the whole.
  const axes = [...shape.keys()].filter((axis) => (length.shape[axis] ?? 1) !== 1)
  const axis = axes[0] ?? 0
  const groups = axes.length === 0 ? 1 : shape[axis]!
  const count = length.shape.reduce((product, n) => product * n, 1)
  if (axes.length > 1 || count !== groups) return 'under a weight norm of unknown shape'
  const inner = shape.slice(axis + 1).reduce((product, n) => product * n, 1)
  return {
    dtype: 'float32',
    shape,
    async read() {
      const lengths = await length.read()
      const values = await direction.read()
      const groupOf = (i: number) => (groups === 1 ? 0 : Math.floor(i / inner) % groups)
      const squares = new Float64Array(groups)
      for (let i = 0; i < values.length; i++) squares[groupOf(i)]! += values[i]! ** 2
      return values.map((value, i) => (value * lengths[groupOf(i)]!) / Math.sqrt(squares[groupOf(i)]!))
    },
  }
}
