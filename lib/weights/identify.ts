import { EfficientDetError } from '../base/errors.js'
import { listing } from '../base/listing.js'
import type { VariantName } from '../models/variants.js'
import { isAveraged } from './averaged.js'
import { foreignFamily } from './foreign.js'
import { BUFFER, hasHeads, type Matched, matchVariants } from './match-variants.js'
import { effdet } from './naming/effdet.js'
import type { Naming } from './naming/naming.js'
import { zylo } from './naming/zylo.js'
import { findNetworks, type Network } from './networks.js'
import { reparametrised } from './reparametrised.js'
import type { Tensors } from './tensor.js'

/** What the tensors of a file decide by themselves. */
export interface Identified extends Matched {
  readonly naming: Naming
  /** What wrappers put before every name, such as `module.`; often empty. */
  readonly prefix: string
  readonly notes: readonly string[]
}

/** What a caller says about the network in a file. */
export interface Wanted {
  /** The only variant to accept. */
  readonly variant?: VariantName | undefined
  /** What the names of its tensors begin with. */
  readonly prefix?: string | undefined
}

/** The network that was chosen. */
interface Choice {
  readonly network: Network
  readonly matched: Matched
  /** Why it was taken from several; null for the only one. */
  readonly why: string | null
}

/**
 * Finds the EfficientDet in a file, whatever lies beside it, and which naming, variant, class count and anchor count
 * it is.
 *
 * @throws EfficientDetError ERR_WEIGHTS naming missing, unexpected, mis-shaped and unreadable tensors (all in
 *   `details`, ten of each in the message); ERR_WEIGHTS_AMBIGUOUS for several whole networks, equally meant
 */
export function identify(all: Tensors, wanted: Wanted = {}): Identified {
  const tensors = reparametrised(all)
  const networks = findNetworks(tensors)
  if (networks.length === 0) throw noNetwork([...all.keys()])
  const choice = choose(networks, wanted)
  const { naming, prefix } = choice.network
  return { naming, prefix, ...choice.matched, notes: notesOn(tensors, networks, choice) }
}

/** A student, a teacher and their averages; every one of them is compared with every variant. */
const MAX_NETWORKS = 10

/** Takes the one whole network, or of several the one that is meant. */
function choose(networks: readonly Network[], { prefix, variant }: Wanted): Choice {
  const detectors = networks.filter(hasHeads)
  if (prefix !== undefined || detectors.length <= 1) {
    const network = prefix === undefined ? (detectors[0] ?? networks[0]!) : named(networks, prefix)
    return {
      network,
      matched: matchVariants(network, variant),
      why: prefix === undefined ? null : 'as given',
    }
  }
  if (detectors.length > MAX_NETWORKS) throw ambiguous(detectors)
  const failures = new Map<Network, EfficientDetError>()
  const whole = detectors.flatMap((network) => {
    try {
      return { network, matched: matchVariants(network, variant) }
    } catch (error) {
      if (!(error instanceof EfficientDetError)) throw error
      failures.set(network, error)
      return []
    }
  })
  if (whole.length === 0)
    throw failures.get(detectors.find(({ prefix }) => isAveraged(prefix)) ?? detectors[0]!)!
  if (whole.length === 1)
    return { ...whole[0]!, why: isAveraged(whole[0]!.network.prefix) ? 'averaged' : 'the only whole one' }
  const averaged = whole.filter(({ network }) => isAveraged(network.prefix))
  if (averaged.length === 1) return { ...averaged[0]!, why: 'averaged' }
  throw ambiguous(whole.map(({ network }) => network))
}

function named(networks: readonly Network[], prefix: string): Network {
  const network = networks.find((it) => it.prefix === prefix || it.prefix === `${prefix}.`)
  if (network !== undefined) return network
  throw new EfficientDetError(
    'ERR_INVALID_OPTION',
    `prefix is ${quoted([prefix])}, and the names of networks in the file begin with ${prefixes(networks)}.`,
  )
}

function ambiguous(networks: readonly Network[]): EfficientDetError {
  const example = networks[0]!.prefix || networks[1]!.prefix
  return new EfficientDetError(
    'ERR_WEIGHTS_AMBIGUOUS',
    `The file holds ${networks.length} networks (names begin with ${prefixes(networks)}): ` +
      `say which (prefix: ${quoted([example])}; --prefix on the command line).`,
    { details: { prefixes: networks.map(({ prefix }) => prefix) } },
  )
}

function notesOn(all: Tensors, networks: readonly Network[], { network, why }: Choice): string[] {
  const { prefix } = network
  const others = networks.filter((it) => it !== network && hasHeads(it))
  const known = new Set([network, ...others].flatMap(({ names }) => [...names]))
  const beside = [...all]
    .filter(([name, tensor]) => typeof tensor !== 'string' && !known.has(name) && !BUFFER.test(name))
    .map(([name]) => name)
  const notes: string[] = []
  if (prefix !== '') notes.push(`Names begin with ${quoted([prefix])}, which was taken off.`)
  if (others.length > 0) {
    notes.push(
      `The file holds several networks; ${quoted([prefix])} (${why}) was used and ${prefixes(others)} ignored.`,
    )
  }
  if (beside.length > 0) notes.push(`Ignored, as it is no part of the network: ${listing(beside)}.`)
  return notes
}

function prefixes(networks: readonly Network[]): string {
  return quoted(networks.map(({ prefix }) => prefix))
}

function quoted(names: readonly string[]): string {
  return listing(names.map((name) => `"${name}"`))
}

function noNetwork(names: readonly string[]): EfficientDetError {
  const family = foreignFamily(names)
  return new EfficientDetError(
    'ERR_WEIGHTS',
    family !== null
      ? `These are weights of ${family}, whose network differs from EfficientDet's paper; ` +
          'weights of effdet and zylo are read.'
      : `None of the ${names.length} tensors is the stem of an EfficientDet (${listing(names, 3)}). ` +
          `Expected effdet's ${effdet.stem} or zylo's ${zylo.stem}.`,
    { details: { names } },
  )
}
