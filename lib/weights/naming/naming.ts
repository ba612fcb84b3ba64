import type { WeightsOrigin } from '../../models/preprocessing.js'
import type { Variant } from '../../models/variants.js'

/** How a trainer names the tensors of an EfficientDet. */
export interface Naming {
  readonly origin: WeightsOrigin
  /** One sentence for people. */
  readonly description: string
  /**
   * Name of the stem convolution's weight, in every variant: a name that ends with it tells this naming, and what
   * stands before is what wrappers added.
   */
  readonly stem: string
  /** First parts of all its names; whatever lies under them is the network. */
  readonly roots: readonly string[]
  /** Whether this naming, rather than another with the same stem, wrote these (unwrapped) names. */
  fits(names: { has(name: string): boolean }): boolean
  /** The file's name of a tensor that `inventory` lists (effdet's repeat-first names). */
  nameOf(tensor: string, variant: Variant): string
  /** Tensors that trainers save although the network has no use for them. */
  isUnused(name: string, variant: Variant): boolean
}
