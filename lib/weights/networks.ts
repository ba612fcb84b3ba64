import { effdet, effdetLevelFirst } from './naming/effdet.js'
import type { Naming } from './naming/naming.js'
import { zylo } from './naming/zylo.js'
import type { StoredTensor, Tensors } from './tensor.js'

const NAMINGS: readonly Naming[] = [effdet, effdetLevelFirst, zylo]

/** A subtree of a file's names that begins as an EfficientDet does. */
export interface Network {
  readonly naming: Naming
  /** What wrappers put before every name, such as `module.`; often empty. */
  readonly prefix: string
  /** All that lies under the naming's roots, by names without the prefix. */
  readonly tensors: ReadonlyMap<string, StoredTensor | string>
  /** The same tensors' names in the file. */
  readonly names: ReadonlySet<string>
}

/** Modules that PyTorch puts around others, at any depth: compiled, sharded, recomputed and distributed ones. */
const WRAPPERS = [
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
  'module',
]
const WRAPPER = `(?:(?:${WRAPPERS.join('|')})\\.)*`
const INNER_WRAPPERS = new RegExp(`(?<=\\.)(?:${WRAPPERS.join('|')})\\.`, 'g')

/** More parts of a name than any network nests; what follows is not looked at. */
const MAX_PARTS = 64

/** One for all namings with the same stem, and so the same roots. */
const FAMILIES = [effdet, zylo].map(({ stem, roots }) => ({
  stem: new RegExp(`^((?:.*\\.)?)${stem.split('.').join(`\\.${WRAPPER}`)}$`, 's'),
  roots: new Set(roots),
  namings: NAMINGS.filter((naming) => naming.stem === stem),
}))

/** Finds every network by its stem, and the tensors of each, in the order of the file. */
export function findNetworks(tensors: Tensors): Network[] {
  return FAMILIES.flatMap(({ stem, roots, namings }) => {
    const groups = new Map<string, { tensors: Map<string, StoredTensor | string>; names: Set<string> }>()
    for (const name of tensors.keys()) {
      const prefix = stem.exec(name)?.[1]
      if (prefix !== undefined) groups.set(prefix, { tensors: new Map(), names: new Set() })
    }
    if (groups.size === 0) return []
    for (const [name, tensor] of tensors) {
      const prefix = prefixOf(name, roots, groups)
      if (prefix === undefined) continue
      const group = groups.get(prefix)!
      const bare = name.slice(prefix.length)
      const unwrapped = bare.replace(INNER_WRAPPERS, '')
      group.tensors.set(group.tensors.has(unwrapped) ? bare : unwrapped, tensor)
      group.names.add(name)
    }
    return [...groups].flatMap(([prefix, group]) => {
      // Behind more parts than are looked at there is a stem, and no network.
      const naming = namings.find((it) => group.tensors.has(it.stem) && it.fits(group.tensors))
      return naming === undefined ? [] : [{ naming, prefix, ...group }]
    })
  })
}

/** The longest prefix of a network after which a name goes on with one of its roots. */
function prefixOf(
  name: string,
  roots: ReadonlySet<string>,
  prefixes: ReadonlyMap<string, unknown>,
): string | undefined {
  let longest: string | undefined
  let start = 0
  for (let part = 0; part < MAX_PARTS; part++) {
    const end = name.indexOf('.', start)
    if (end < 0) break
    if (roots.has(name.slice(start, end)) && prefixes.has(name.slice(0, start)))
      longest = name.slice(0, start)
    start = end + 1
  }
  return longest
}
