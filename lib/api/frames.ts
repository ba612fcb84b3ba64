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
  readonly #bytes: Semaphore
  /** Gives back what frames had that were forgotten. */
  readonly #forgotten: FinalizationRegistry<number>

  constructor(engine: Engine, limits: Limits) {
    this.#engine = engine
    this.#limits = limits
    const semaphore = new Semaphore(limits.bytes)
    this.#bytes = semaphore
    this.#forgotten = new FinalizationRegistry((bytes) => semaphore.release(bytes))
  }

  /** @throws EfficientDetError ERR_INVALID_OPTION, ERR_IMAGE_TOO_LARGE, ERR_OUT_OF_MEMORY */
  allocate(layout: FrameLayout): AllocatedFrame {
    const { layout: checked, bytes } = bytesOf(layout)
    checkPixels('The frame', checked.width, checked.height, this.#limits.maxPixels)
    if (!this.#bytes.tryAcquire(bytes)) throw this.#full(bytes)
    try {
      const memory = this.#engine.allocate(bytes)
      const token = {}
      this.#forgotten.register(memory.buffer, bytes, token)
      return new AllocatedFrame(checked, memory, () => {
        this.#forgotten.unregister(token)
        this.#bytes.release(bytes)
      })
    } catch (error) {
      this.#bytes.release(bytes)
      throw error
    }
  }

  #full(bytes: number): EfficientDetError {
    return new EfficientDetError(
      'ERR_OUT_OF_MEMORY',
      `${bytes} bytes for a frame do not fit beside the frames that were allocated and not disposed: they may have ${this.#limits.bytes} bytes together. Use frames again, dispose them, or raise maxPendingBytes.`,
    )
  }
}
