import { EfficientDetError } from '../base/errors.js'
import type { DeviceFrame, Frame, FrameLayout, PixelFormat } from './frame.js'
import type { YuvMatrix, YuvRange } from './yuv.js'

/** Memory for a frame, from whatever runs the network. */
export interface FrameMemory {
  /** Zeroed. */
  readonly buffer: ArrayBuffer
  /** Takes the buffer's bytes away and gives the memory back, as soon as nothing below reads it. */
  free(): void
}

/** Memory of JavaScript's. @throws EfficientDetError ERR_OUT_OF_MEMORY */
export function plainMemory(bytes: number): FrameMemory {
  try {
    const buffer = new ArrayBuffer(bytes)
    return { buffer, free: () => void structuredClone(buffer, { transfer: [buffer] }) }
  } catch (error) {
    throw noMemory(bytes, error)
  }
}

export function noMemory(bytes: number, cause?: unknown): EfficientDetError {
  return new EfficientDetError('ERR_OUT_OF_MEMORY', `There is no memory for a frame of ${bytes} bytes.`, {
    cause,
  })
}

/** Keeps memory while calls use it, also beyond its frame's disposal. */
class Lease {
  readonly #memory: FrameMemory
  readonly #onFree: () => void
  #uses = 0
  #isDisposed = false

  constructor(memory: FrameMemory, onFree: () => void) {
    this.#memory = memory
    this.#onFree = onFree
  }

  use(): () => void {
    if (this.#isDisposed) {
      throw new EfficientDetError(
        'ERR_INVALID_OPTION',
        'The frame was disposed. Dispose it after the last call that is given it.',
      )
    }
    this.#uses++
    return () => {
      this.#uses--
      this.#freeIfUnused()
    }
  }

  dispose(): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    this.#freeIfUnused()
  }

  #freeIfUnused(): void {
    if (!this.#isDisposed || this.#uses > 0) return
    this.#memory.free()
    this.#onFree()
  }
}

/** By their buffers, for a frame may be spread, and its data be seen through any view. */
const leases = new WeakMap<ArrayBufferLike, Lease>()

/**
 * A frame whose memory a detector reads in place, filled by the caller again and again. It must stay as it is while a
 * call is under way.
 *
 * Dispose it when nothing writes to it any more; calls that use it still end well. One that is forgotten is disposed
 * when it is collected.
 */
export class AllocatedFrame implements Frame, Disposable {
  /** Bytes of all planes, with gaps where `stride` makes some; zeroed at first. */
  readonly data: Uint8Array
  declare readonly format: PixelFormat
  declare readonly width: number
  declare readonly height: number
  declare readonly stride?: number
  declare readonly matrix?: YuvMatrix
  declare readonly range?: YuvRange
  readonly #lease: Lease

  /**
   * @param layout that the memory has room for
   * @param onFree called once the memory goes back; never where the frame is forgotten
   */
  constructor(layout: FrameLayout, memory: FrameMemory, onFree: () => void) {
    Object.assign(this, layout)
    this.data = new Uint8Array(memory.buffer)
    this.#lease = new Lease(memory, onFree)
    leases.set(memory.buffer, this.#lease)
  }

  /** Gives the memory back, and leaves `data` without bytes, once no call uses it. May be called again. */
  dispose(): void {
    this.#lease.dispose()
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }
}

/**
 * Keeps the memory of an `AllocatedFrame` for a call, until the function is called that this gives. Frames in other
 * memory give null.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for one that was disposed
 */
export function useMemory(frame: Frame | DeviceFrame): (() => void) | null {
  return ('data' in frame && leases.get(frame.data.buffer)?.use()) || null
}
