import { loadAddonFile } from '../../base/addon-file.js'
import type { NativeLayout } from '../../image/native-layout.js'
import type { LoudFinder } from '../../postprocess/candidates.js'

/** What the addon makes network input with (native/addon/preprocessor_object.h). */
export interface NativePreprocessor {
  /**
   * @param data the frame's bytes or their address
   * @param input 3×H×W, which it fills
   * @throws Error for lack of memory
   */
  run(
    data: Uint8Array | Uint8ClampedArray | bigint,
    ...rest: [...layout: NativeLayout, input: Float32Array]
  ): void
}

/** What the addon does for this backend. */
interface Addon {
  /** Where an array's bytes lie. */
  addressOf(data: Uint8Array | Uint8ClampedArray): bigint
  /** See `findLoud` of lib/postprocess/candidates.ts. */
  readonly findLoud: LoudFinder
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

let loaded: Addon | null | undefined

/** The addon, or null where it does not load; looked for once per thread. */
export function addon(): Addon | null {
  if (loaded === undefined) {
    try {
      loaded = loadAddonFile() as Addon
    } catch {
      loaded = null
    }
  }
  return loaded
}
