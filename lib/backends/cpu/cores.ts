import { estimateFurtherNetworks } from '../../engines/memory.js'
import type { Size } from '../../models/levels.js'
import type { Architecture } from '../../models/spec.js'

/** Networks that run side by side when many calls are in flight. */
export interface Sharing {
  readonly networks: number
  /** Threads of each. */
  readonly threads: number
}

/** Bytes that these networks may take on top of the one that has all cores: of the free memory, and at all. */
const FREE_PART = 1 / 4
const MAX_BYTES = 2 ** 31

/**
 * A network for each core, or fewer where memory does not allow as many. Null for one core, or memory for but one
 * network.
 *
 * @param free bytes of memory
 */
export function shareCores(
  cores: number,
  architecture: Architecture,
  inputSize: Size,
  free: number,
): Sharing | null {
  const bound = Math.min(MAX_BYTES, free * FREE_PART)
  for (let networks = cores; networks > 1; networks--) {
    if (estimateFurtherNetworks(architecture, inputSize, networks) > bound) continue
    return { networks, threads: Math.floor(cores / networks) }
  }
  return null
}

/** A network that has one call at a time. */
interface Network {
  readonly isBusy: boolean
}

/**
 * Which network the next call gets. All cores are one's, or each has its own: both at a time would take turns on the
 * same cores.
 */
export class Cores<N extends Network> {
  readonly #whole: N
  #shares: readonly N[] = []

  /** @param whole the network that has all cores */
  constructor(whole: N) {
    this.#whole = whole
  }

  /** Adds those that share the cores. */
  share(networks: readonly N[]): void {
    this.#shares = networks
  }

  get all(): readonly N[] {
    return [this.#whole, ...this.#shares]
  }

  /**
   * The network for the next call, or null while it must wait.
   *
   * @param calls in flight; those that keep less than half of the cores busy by one core each are sooner done one
   *   after another
   */
  next(calls: number): N | null {
    if (this.#whole.isBusy) return null
    const areShared = calls > this.#shares.length / 2 || this.#shares.some(({ isBusy }) => isBusy)
    if (this.#shares.length === 0 || !areShared) return this.#whole
    return this.#shares.find(({ isBusy }) => !isBusy) ?? null
  }
}
