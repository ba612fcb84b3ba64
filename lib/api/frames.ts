import type { Engine } from '../backends/backend.js'
import { EfficientDetError } from '../base/errors.js'
import { AllocatedFrame } from '../image/allocated-frame.js'
import { bytesOf, type FrameLayout } from '../image/frame.js'
import { checkPixels } from '../image/refusals.js'
import { Semaphore } from '../threads/semaphore.js'

interface Limits {
  readonly maxPixels: number
  /** Bytes of all frames that live; one that is larger may live alone. */
  readonly bytes: number
}

/** Frames in memory that an engine reads in place, bounded in bytes. */
export class Frames {
  readonly #engine: Engine
  readonly #limits: Limits
  readonly #permits: Semaphore
  #bytes = 0
  /** Gives back what frames had that were forgotten. */
  readonly #forgotten = new FinalizationRegistry<number>((bytes) => this.#giveBack(bytes))

  constructor(engine: Engine, limits: Limits) {
    this.#engine = engine
    this.#limits = limits
    this.#permits = new Semaphore(limits.bytes)
  }

  /** Bytes of all that live. */
  get bytes(): number {
    return this.#bytes
  }

  /** @throws EfficientDetError ERR_INVALID_OPTION, ERR_IMAGE_TOO_LARGE, ERR_OUT_OF_MEMORY */
  allocate(given: FrameLayout): AllocatedFrame {
    const { layout, bytes } = bytesOf(given)
    checkPixels('The frame', layout.width, layout.height, this.#limits.maxPixels)
    if (!this.#permits.tryAcquire(bytes)) throw this.#full(bytes)
    this.#bytes += bytes
    try {
      const memory = this.#engine.allocate(bytes)
      const token = {}
      this.#forgotten.register(memory.buffer, bytes, token)
      return new AllocatedFrame(layout, memory, () => {
        this.#forgotten.unregister(token)
        this.#giveBack(bytes)
      })
    } catch (error) {
      this.#giveBack(bytes)
      throw error
    }
  }

  #giveBack(bytes: number): void {
    this.#bytes -= bytes
    this.#permits.release(bytes)
  }

  #full(bytes: number): EfficientDetError {
    return new EfficientDetError(
      'ERR_OUT_OF_MEMORY',
      `${bytes} bytes for a frame do not fit beside the frames that were allocated and not disposed, which have ${this.#bytes} of ${this.#limits.bytes} bytes. Use frames again, dispose them, or raise maxPendingBytes.`,
    )
  }
}
