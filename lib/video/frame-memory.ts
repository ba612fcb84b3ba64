import { MAX_SPARE_FRAMES } from '../base/limits.js'
import type { FrameLayout } from '../image/frame.js'

type Allocate = (layout: FrameLayout) => { readonly data: Uint8Array }

/** Memory of frames that were given back, for later ones: new memory costs the system a page at a time. */
export class FrameMemory {
  readonly #allocate: Allocate | null
  readonly #spare: Uint8Array[] = []
  /** What gave the memory, which must not be collected before it. */
  readonly #owners = new WeakMap<Uint8Array, object>()

  /** @param allocate null for JavaScript's own memory */
  constructor(allocate: Allocate | null) {
    this.#allocate = allocate
  }

  /** @param layout of a frame that fills so many bytes */
  take(bytes: number, layout: FrameLayout): Uint8Array {
    for (;;) {
      const spare = this.#spare.pop()
      if (spare === undefined) return this.#new(bytes, layout)
      // The size changes where a live stream comes back with another one.
      if (spare.length === bytes) return spare
    }
  }

  giveBack(data: Uint8Array): void {
    if (this.#spare.length < MAX_SPARE_FRAMES) this.#spare.push(data)
  }

  #new(bytes: number, layout: FrameLayout): Uint8Array {
    try {
      const owner = this.#allocate?.(layout)
      if (owner?.data.length === bytes) {
        this.#owners.set(owner.data, owner)
        return owner.data
      }
    } catch {
      // It has a bound, or has gone: other memory costs a copy and nothing else.
    }
    return new Uint8Array(bytes)
  }
}
