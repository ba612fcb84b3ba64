/**
 * How a trainer turned images into network input. Weights work best with the arithmetic they were trained with:
 * effdet's transforms.py, zylo's utils.py, automl's dataloader.py.
 *
 * All scale by min(H/h, W/w), truncate the new size to integers (at least 1), put the image at the top left, and fill
 * the rest.
 *
 * Then they normalise as (pixel − mean) / std in RGB order.
 */
export interface Preprocessing {
  /**
   * `antialiased` – Pillow's bilinear filter, whose support grows when shrinking, on 8-bit pixels with 8-bit results
   * (effdet).
   *
   * `bilinear` – four neighbours at half-pixel centres, in floating point, as OpenCV's and TensorFlow's (zylo;
   * automl, which normalises first, to the same effect).
   */
  readonly resize: 'antialiased' | 'bilinear'
  /** Per channel R, G, B, in pixel units 0…255. */
  readonly mean: readonly [number, number, number]
  /** Per channel R, G, B, in pixel units. */
  readonly std: readonly [number, number, number]
  /** Colour around the image, R, G, B in pixel units (before normalisation). */
  readonly fill: readonly [number, number, number]
}

/** The three ways EfficientDets normalise: D0…D7x, AdvProp-trained ones, and the lite family. */
export const NORMALIZATIONS = ['imagenet', 'advprop', 'lite'] as const
export type Normalization = (typeof NORMALIZATIONS)[number]

export type WeightsOrigin = 'effdet' | 'zylo'

/** ImageNet's mean and deviation × 255 (torchvision; automl dataloader.py). */
const IMAGENET_MEAN = [123.675, 116.28, 103.53] as const
const IMAGENET_STD = [58.395, 57.12, 57.375] as const

/** The preprocessing of weights that came from `origin` and were normalised in the given way. */
export function preprocessingOf(origin: WeightsOrigin, normalization: Normalization): Preprocessing {
  const resize = origin === 'effdet' ? 'antialiased' : 'bilinear'
  switch (normalization) {
    case 'imagenet':
      return {
        resize,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        // effdet fills with the mean colour rounded to 8 bits; zylo with zeros after normalisation.
        fill: origin === 'effdet' ? [124, 116, 104] : IMAGENET_MEAN,
      }
    case 'advprop':
      // x · 2/255 − 1; effdet's AdvProp configurations fill with black.
      return { resize, mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5], fill: [0, 0, 0] }
    case 'lite':
      // automl hparams_config.py, lite section: mean 127, std 128.
      return { resize, mean: [127, 127, 127], std: [128, 128, 128], fill: [127, 127, 127] }
  }
}
