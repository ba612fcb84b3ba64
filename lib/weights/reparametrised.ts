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
  const replaced = new Map<string, StoredTensor | string>()
  const parts = new Set<string>()
  const replace = (name: string, value: StoredTensor | string, of: readonly string[]) => {
    replaced.set(name, value)
    for (const part of of) parts.add(part)
  }
  for (const [name, first] of tensors) {
    const split = /^(.*)_(orig|g)$/s.exec(name)
    if (split !== null) {
      const [, whole, part] = split as unknown as [string, string, string]
      const [mask, direction, iterate] = [`${whole}_mask`, `${whole}_v`, `${whole}_u`]
      if (part === 'g' && tensors.has(direction)) {
        replace(whole, normalised(first, tensors.get(direction)!), [name, direction])
      } else if (part === 'orig' && tensors.has(mask)) {
        replace(whole, pruned(first, tensors.get(mask)!), [name, mask])
      } else if (part === 'orig' && tensors.has(iterate)) {
        replace(whole, 'under spectral norm', [name, iterate, direction])
      }
      continue
    }
    const parametrised = /^(.*\.)?parametrizations\.(\w+)\.original(0?)$/s.exec(name)
    if (parametrised === null) continue
    const [, owner = '', whole, isPair] = parametrised
    const path = `${owner}parametrizations.${whole}`
    const second = tensors.get(`${path}.original1`)
    if (isPair && second !== undefined) {
      replace(`${owner}${whole}`, normalised(first, second), [name, `${path}.original1`])
    } else {
      const isSpectral = tensors.has(`${path}.0._u`)
      const reason = isSpectral ? 'under spectral norm' : 'under a parametrization'
      replace(`${owner}${whole}`, reason, [name, `${path}.0._u`, `${path}.0._v`])
    }
  }
  if (replaced.size === 0) return tensors
  return new Map([...[...tensors].filter(([name]) => !parts.has(name)), ...replaced])
}

function pruned(original: StoredTensor | string, mask: StoredTensor | string): StoredTensor | string {
  if (typeof original === 'string') return original
  if (typeof mask === 'string') return mask
  if (original.shape.join() !== mask.shape.join()) return 'pruned by a mask of another shape'
  return {
    dtype: 'float32',
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
