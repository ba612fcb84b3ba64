import { loadAddonFile } from '../../base/addon-file.js'
import { EfficientDetError } from '../../base/errors.js'
import type { Frame } from '../../image/frame.js'
import { letterbox } from '../../image/letterbox.js'
import { type NativeLayout, nativeLayout, nativePlanes } from '../../image/native-layout.js'
import { type NetworkInput, normaliser, preprocess } from '../../image/preprocess.js'
import { toRgb } from '../../image/rgb.js'
import type { Size } from '../../models/levels.js'
import type { Preprocessing } from '../../models/preprocessing.js'

/** What the addon makes network input with (native/addon/preprocessor_object.h). */
interface NativePreprocessor {
  /**
   * @param input 3×H×W, which it fills
   * @throws Error for lack of memory
   */
  run(data: Uint8Array | Uint8ClampedArray, ...rest: [...layout: NativeLayout, input: Float32Array]): void
}

interface Addon {
  readonly Preprocessor: {
    /** What can run on this processor, the fastest first. */
    readonly codes: readonly string[]
    /**
     * @param resize 0: antialiased; 1: bilinear
     * @param normalisation mean, deviation and normalised fill, R, G, B each
     * @param code one of `codes`; the fastest without
     */
    new (
      inputHeight: number,
      inputWidth: number,
      resize: 0 | 1,
      normalisation: Float32Array,
      code?: string,
    ): NativePreprocessor
  }
}

/**
 * Turns frames into network input, as its twin `preprocess` does to the last bit: in native code, or by that where the
 * addon does not load.
 */
export class Preprocessor {
  readonly #size: Size
  readonly #how: Preprocessing
  readonly #native: NativePreprocessor | null
  readonly #planes = nativePlanes()
  /** Memory of the input, used anew: fresh 3 MB would cost some 800 page faults a call. */
  readonly #tensor: Float32Array

  /** @param code of the addon's, for tests; null for TypeScript's; the fastest where none is named */
  constructor(size: Size, how: Preprocessing, code?: string | null) {
    this.#size = size
    this.#how = how
    this.#native = code === null ? null : nativePreprocessor(size, how, code)
    this.#tensor = new Float32Array(this.#native === null ? 0 : 3 * size.height * size.width)
  }

  /**
   * @returns input whose tensor is the next call's as well
   * @throws EfficientDetError ERR_INVALID_OPTION (see `planesOf`), ERR_OUT_OF_MEMORY
   */
  run(frame: Frame): NetworkInput {
    if (this.#native === null) return preprocess(toRgb(frame), this.#size, this.#how)
    const layout = nativeLayout(frame, this.#planes)
    try {
      this.#native.run(frame.data, ...layout, this.#tensor)
    } catch (cause) {
      throw new EfficientDetError('ERR_OUT_OF_MEMORY', (cause as Error).message, { cause })
    }
    return { tensor: this.#tensor, letterbox: letterbox(frame, this.#size) }
  }
}

/** Names of the native code that can run here, the fastest first; none where the addon does not load. */
export function nativeCodes(): readonly string[] {
  return addon()?.Preprocessor.codes ?? []
}

function nativePreprocessor(
  { height, width }: Size,
  { resize, mean, std, fill }: Preprocessing,
  code: string | undefined,
): NativePreprocessor | null {
  const native = addon()
  if (native === null) return null
  const filled = fill.map((value, i) => normaliser(mean[i], std[i])(value))
  const normalisation = Float32Array.of(...mean, ...std, ...filled)
  return new native.Preprocessor(height, width, resize === 'antialiased' ? 0 : 1, normalisation, code)
}

function addon(): Addon | null {
  try {
    return loadAddonFile() as Addon
  } catch {
    return null
  }
}
