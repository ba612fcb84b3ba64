import { EfficientDetError } from '../base/errors.js'
import { listing } from '../base/listing.js'
import type { Architecture } from '../models/spec.js'
import { officialArchitecture } from '../models/spec.js'
import type { Variant, VariantName } from '../models/variants.js'
import { nativeInput, VARIANTS, variant } from '../models/variants.js'
import { inventory } from '../network/parameters.js'
import { foreignFamily } from './foreign.js'
import { effdet, effdetLevelFirst } from './naming/effdet.js'
import type { Naming } from './naming/naming.js'
import { zylo } from './naming/zylo.js'
import type { StoredTensor } from './tensor.js'

const NAMINGS: readonly Naming[] = [effdet, effdetLevelFirst, zylo]

/**
 * effdet's own `efficientdet_lite0` (model_config.py), which shares its name with TensorFlow's lite0 but fuses
 * with learned weights, by which its files are told, and was made for larger pictures and anchors.
 */
const NATIVE_LITE0: Variant = { ...variant('lite0'), inputSize: 384, anchorScale: 4, fusion: 'fastattn' }

/** What the tensors of a file decide by themselves. */
export interface Identified {
  readonly naming: Naming
  /** What wrappers put before every name, such as `module.`; often empty. */
  readonly prefix: string
  /** The variants whose tensors these are: one, or several that differ in nothing that is stored (D6 and D7). */
  readonly variants: readonly [Variant, ...Variant[]]
  readonly classes: number
  readonly anchorsPerCell: number
  readonly redundantBias: boolean
  /** The file's tensor for each name that `inventory` lists. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly notes: readonly string[]
}

type Tensors = ReadonlyMap<string, StoredTensor>

/**
 * Finds out which naming, variant, class count and anchor count a file's tensors are.
 *
 * @param wanted accept only this variant
 * @throws EfficientDetError ERR_WEIGHTS naming every missing, unexpected and mis-shaped tensor
 *   (`details.missing`, `.unexpected`, `.misshaped`; the message shows the first ten of each)
 */
export function identify(all: Tensors, wanted?: VariantName): Identified {
  const { naming, prefix, tensors, notes } = findNaming(all)
  checkStem(naming, prefix, tensors)
  const { classes, anchorsPerCell } = headSizes(naming, prefix, tensors)
  const candidates = [...VARIANTS.values(), NATIVE_LITE0].filter(
    ({ name }) => wanted === undefined || name === wanted,
  )
  const fits = candidates.map((candidate) => {
    const bias = naming.nameOf('fpn.cell.0.fnode.0.after_combine.conv.conv_pw.bias', candidate)
    const architecture: Architecture = {
      ...officialArchitecture(candidate, classes),
      anchorsPerCell,
      redundantBias: tensors.has(bias),
    }
    return { architecture, ...compare(naming, tensors, architecture) }
  })
  const best = Math.min(...fits.map(({ faults }) => faults))
  const [first, ...others] = fits.filter(({ faults }) => faults === best)
  if (first === undefined || best > 0) throw misfit(naming, first!, wanted)
  return {
    naming,
    prefix,
    variants: [first.architecture.variant, ...others.map((fit) => fit.architecture.variant)],
    classes,
    anchorsPerCell,
    redundantBias: first.architecture.redundantBias,
    tensors: first.found,
    notes,
  }
}

/** Recognises the naming by its stem, takes wrappers' prefixes off and leaves out what is not this network. */
function findNaming(all: Tensors): { naming: Naming; prefix: string; tensors: Tensors; notes: string[] } {
  for (const naming of NAMINGS) {
    const prefixes = [...all.keys()]
      .filter((name) => name === naming.stem || name.endsWith(`.${naming.stem}`))
      .map((name) => name.slice(0, -naming.stem.length))
    if (prefixes.length === 0) continue
    const prefix = choosePrefix(prefixes)
    const tensors = unwrap(all, prefixes, prefix)
    if (!naming.fits(new Set(tensors.keys()))) continue
    const others = prefixes.filter((other) => other !== prefix)
    const notes: string[] = []
    if (prefix !== '') notes.push(`Names begin with "${prefix}", which was taken off.`)
    if (others.length > 0) {
      notes.push(`The file holds several networks; "${prefix}" (EMA) was used and ${quoted(others)} ignored.`)
    }
    return { naming, prefix, tensors, notes }
  }
  const names = [...all.keys()]
  const family = foreignFamily(names)
  throw new EfficientDetError(
    'ERR_WEIGHTS',
    family !== null
      ? `These are weights of ${family}, whose network differs from EfficientDet's paper; ` +
          'weights of effdet and zylo are read.'
      : `None of the ${names.length} tensors is the stem of an EfficientDet (${listing(names, 3)}). ` +
          `Expected effdet's ${effdet.stem} or zylo's ${zylo.stem}.`,
    { details: { names } },
  )
}

/**
 * The tensors of the network with the chosen prefix, without it. A name belongs to the longest prefix that it
 * begins with; one that has none is kept as it is, to be reported unless it is known as unused.
 */
function unwrap(all: Tensors, prefixes: readonly string[], chosen: string): Tensors {
  const longestFirst = [...prefixes].sort((a, b) => b.length - a.length)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, tensor] of all) {
    const prefix = longestFirst.find((it) => name.startsWith(it))
    if (prefix === chosen) tensors.set(name.slice(chosen.length), tensor)
    else if (prefix === undefined) tensors.set(name, tensor)
  }
  return tensors
}

/** A student, a teacher and their averages; every tensor is compared with every prefix. */
const MAX_NETWORKS = 10

function choosePrefix(prefixes: readonly string[]): string {
  if (prefixes.length === 1) return prefixes[0]!
  const ema = prefixes.filter((prefix) => /(^|[._])ema([._]|$)/i.test(prefix))
  if (ema.length === 1 && prefixes.length <= MAX_NETWORKS) return ema[0]!
  throw new EfficientDetError(
    'ERR_WEIGHTS',
    `The file holds ${prefixes.length} networks (names begin with ${quoted(prefixes)}). ` +
      'Save the state dict of one of them.',
  )
}

function quoted(names: readonly string[]): string {
  return listing(names.map((name) => `"${name}"`))
}

function checkStem(naming: Naming, prefix: string, tensors: Tensors): void {
  const { shape } = tensors.get(naming.stem)!
  if (shape[1] === 3) return
  throw new EfficientDetError(
    'ERR_WEIGHTS',
    `The stem ${prefix}${naming.stem} has shape [${shape.join(', ')}]: it takes ${shape[1]} channels, ` +
      'and pictures here are RGB. Networks with another number of input channels are not supported.',
  )
}

function headSizes(
  naming: Naming,
  prefix: string,
  tensors: Tensors,
): { classes: number; anchorsPerCell: number } {
  // Heads have the same names in every variant.
  const rows = (head: string) => {
    const name = naming.nameOf(`${head}.predict.conv_pw.weight`, variant('d0'))
    const count = tensors.get(name)?.shape[0]
    if (count !== undefined && count > 0) return { name, count }
    throw new EfficientDetError(
      'ERR_WEIGHTS',
      `${prefix}${name} is missing, so this is a backbone or a part of a detector. ` +
        'A whole EfficientDet is needed.',
      { details: { missing: [prefix + name] } },
    )
  }
  const box = rows('box_net')
  const classes = rows('class_net')
  const anchorsPerCell = box.count / 4
  if (!Number.isInteger(anchorsPerCell)) {
    throw new EfficientDetError(
      'ERR_WEIGHTS',
      `${prefix}${box.name} has ${box.count} outputs; expected 4 for every anchor of a cell.`,
    )
  }
  if (!Number.isInteger(classes.count / anchorsPerCell)) {
    throw new EfficientDetError(
      'ERR_WEIGHTS',
      `${prefix}${classes.name} has ${classes.count} outputs, which the ${anchorsPerCell} anchors of the box ` +
        'head do not divide.',
    )
  }
  return { classes: classes.count / anchorsPerCell, anchorsPerCell }
}

interface Fit {
  readonly architecture: Architecture
  readonly missing: readonly string[]
  readonly unexpected: readonly string[]
  readonly misshaped: readonly string[]
}

function compare(naming: Naming, tensors: Tensors, architecture: Architecture) {
  const { variant } = architecture
  const expected = inventory(architecture, nativeInput(variant)).tensors
  const found = new Map<string, StoredTensor>()
  const used = new Set<string>()
  const missing: string[] = []
  const misshaped: string[] = []
  for (const [canonical, shape] of expected) {
    const name = naming.nameOf(canonical, variant)
    const tensor = tensors.get(name)
    used.add(name)
    if (tensor === undefined) missing.push(name)
    else if (tensor.shape.join() !== shape.join()) {
      misshaped.push(`${name} [${tensor.shape.join(', ')}] instead of [${shape.join(', ')}]`)
    } else found.set(canonical, tensor)
  }
  const unexpected = [...tensors.keys()].filter((name) => !used.has(name) && !naming.isUnused(name, variant))
  return {
    found,
    missing,
    unexpected,
    misshaped,
    faults: missing.length + unexpected.length + misshaped.length,
  }
}

function misfit(naming: Naming, fit: Fit, wanted: VariantName | undefined): EfficientDetError {
  const { missing, unexpected, misshaped } = fit
  const kinds = { Missing: missing, Unexpected: unexpected, 'Mis-shaped': misshaped }
  const faults = Object.entries(kinds).flatMap(([kind, names]) =>
    names.length === 0 ? [] : [`${kind}: ${listing(names)}.`],
  )
  const nearest = fit.architecture.variant.name
  const where = wanted === undefined ? `any EfficientDet; nearest is ${nearest}` : nearest
  return new EfficientDetError(
    'ERR_WEIGHTS',
    `The tensors (${naming.description}) do not fit ${where}. ${faults.join(' ')}`,
    { details: { nearest, missing, unexpected, misshaped } },
  )
}
