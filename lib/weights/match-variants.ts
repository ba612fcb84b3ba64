import { EfficientDetError } from '../base/errors.js'
import { listing } from '../base/listing.js'
import type { Architecture } from '../models/spec.js'
import { officialArchitecture } from '../models/spec.js'
import type { Variant, VariantName } from '../models/variants.js'
import { nativeInput, VARIANTS, variant } from '../models/variants.js'
import { inventory } from '../network/parameters.js'
import type { Naming } from './naming/naming.js'
import type { Network } from './networks.js'
import type { StoredTensor } from './tensor.js'

/**
 * effdet's own `efficientdet_lite0` (model_config.py): despite TensorFlow's name, it fuses with learned weights,
 * which tell its files, and has larger pictures and anchors.
 */
const NATIVE_LITE0: Variant = { ...variant('lite0'), inputSize: 384, anchorScale: 4, fusion: 'fastattn' }

type Stored = ReadonlyMap<string, StoredTensor>

/** What the tensors of a network decide by themselves. */
export interface Matched {
  /** The variants whose tensors these are: one, or several that differ in nothing that is stored (D6 and D7). */
  readonly variants: readonly [Variant, ...Variant[]]
  readonly classes: number
  readonly anchorsPerCell: number
  readonly redundantBias: boolean
  /** The file's tensor for each name that `inventory` lists. */
  readonly tensors: Stored
}

/** Buffers that are no weights, wherever they lie: anchors of effdet's benches, counters of BatchNorms. */
export const BUFFER = /(^|\.)(anchors\.boxes|num_batches_tracked)$/

/**
 * Compares a network with all variants, or the wanted one.
 *
 * @throws EfficientDetError ERR_WEIGHTS naming every missing, unexpected, mis-shaped and unreadable tensor
 *   (`details.missing`, `.unexpected`, `.misshaped`, `.unreadable`; the message shows the first ten of each)
 */
export function matchVariants(network: Network, wanted: VariantName | undefined): Matched {
  const { naming, prefix } = network
  const tensors = readable(network)
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
    variants: [first.architecture.variant, ...others.map((it) => it.architecture.variant)],
    classes,
    anchorsPerCell,
    redundantBias: first.architecture.redundantBias,
    tensors: first.found,
  }
}

/** The network's tensors, if the values of all can be had. */
function readable({ prefix, tensors }: Network): Stored {
  const unreadable: string[] = []
  const stored = new Map<string, StoredTensor>()
  for (const [name, tensor] of tensors) {
    const reason = typeof tensor === 'string' ? tensor : isInteger(tensor) ? tensor.dtype : null
    // Counters and masks may be of any kind, where the network has no use for them.
    if (reason !== null && !BUFFER.test(name)) unreadable.push(`${prefix}${name} (${reason})`)
    else if (typeof tensor !== 'string') stored.set(name, tensor)
  }
  if (unreadable.length === 0) return stored
  throw new EfficientDetError(
    'ERR_WEIGHTS',
    `Weights of the network cannot be read: ${listing(unreadable)}. ` +
      'Save its state dict with ordinary tensors: dense, in floating point, and with parametrizations removed.',
    { details: { unreadable } },
  )
}

/** Whole numbers are weights whose scale lies elsewhere. */
function isInteger({ dtype }: StoredTensor): boolean {
  return !dtype.includes('float')
}

function headWeight(naming: Naming, head: 'box_net' | 'class_net'): string {
  // Heads have the same names in every variant.
  return naming.nameOf(`${head}.predict.conv_pw.weight`, variant('d0'))
}

/** Whether both heads are there, so that this is no mere backbone. */
export function hasHeads({ naming, tensors }: Network): boolean {
  return tensors.has(headWeight(naming, 'box_net')) && tensors.has(headWeight(naming, 'class_net'))
}

function checkStem(naming: Naming, prefix: string, tensors: Stored): void {
  const { shape } = tensors.get(naming.stem)!
  if (shape[1] === 3) return
  throw new EfficientDetError(
    'ERR_WEIGHTS',
    `The stem ${prefix}${naming.stem} has shape [${shape.join(', ')}]` +
      (shape.length === 4
        ? `: it takes ${shape[1]} channels, and pictures here are RGB. ` +
          'Networks with another number of input channels are not supported.'
        : '; expected that of a convolution, with 4 dimensions.'),
  )
}

function headSizes(
  naming: Naming,
  prefix: string,
  tensors: Stored,
): { classes: number; anchorsPerCell: number } {
  const rows = (head: 'box_net' | 'class_net') => {
    const name = headWeight(naming, head)
    const shape = tensors.get(name)?.shape
    const count = shape?.[0] ?? 0
    if (count > 0) return { name, count }
    if (shape !== undefined) {
      throw new EfficientDetError(
        'ERR_WEIGHTS',
        `${prefix}${name} has shape [${shape.join(', ')}], without outputs.`,
      )
    }
    throw new EfficientDetError(
      'ERR_WEIGHTS',
      `${prefix}${name} is missing, so this is ${
        [...tensors.keys()].some((other) => other.startsWith(`${name.split('.')[0]}.`))
          ? "not whole, or a detector with other heads, as some of effdet's other configurations are. "
          : 'a backbone or a part of a detector. '
      }A whole EfficientDet is needed.`,
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

function compare(naming: Naming, tensors: Stored, architecture: Architecture) {
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
