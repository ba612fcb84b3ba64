import { MAX_SPARE_FRAMES } from '../base/limits.js'

/** Memory of frames that were given back, for later ones: new memory costs the system a page at a time. */
export class FrameMemory {
  readonly #spare: Uint8Array[] = []

  take(bytes: number): Uint8Array {
    for (;;) {
      const spare = this.#spare.pop()
      if (spare === undefined) return new Uint8Array(bytes)
      // The size changes where a live stream comes back with another one.
      if (spare.length === bytes) return spare
    }
  }

  giveBack(data: Uint8Array): void {
    if (this.#spare.length < MAX_SPARE_FRAMES) this.#spare.push(data)
  }
}
