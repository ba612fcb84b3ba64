import { EfficientDetError } from '../../base/errors.js'
import type { Frame } from '../../image/frame.js'
import { letterbox } from '../../image/letterbox.js'
import { nativeLayout, nativePlanes } from '../../image/native-layout.js'
import { type NetworkInput, normaliser, preprocess } from '../../image/preprocess.js'
import { toRgb } from '../../image/rgb.js'
import type { Size } from '../../models/levels.js'
import type { Preprocessing } from '../../models/preprocessing.js'
import { addon, type NativePreprocessor } from './addon.js'
import type { LentFrame } from './lent-frame.js'

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
  run(frame: Frame | LentFrame): NetworkInput {
    const isLent = 'address' in frame
    if (this.#native === null) {
      // Whoever could lend it has the addon.
      if (isLent) throw new EfficientDetError('ERR_INFERENCE', 'The addon loads in some threads only.')
      return preprocess(toRgb(frame), this.#size, this.#how)
    }
    const layout = isLent ? frame.layout : nativeLayout(frame, this.#planes)
    try {
      this.#native.run(isLent ? frame.address : frame.data, ...layout, this.#tensor)
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
