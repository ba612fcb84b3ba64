import { EfficientDetError } from '../base/errors.js'

/** How far the values of a layer went from zero. */
export interface LayerRange {
  /** The layer's name in the graph, by effdet's names. */
  readonly layer: string
  /** Largest magnitude; NaN where one was met. */
  readonly magnitude: number
}

/** What the layers gave for one image, in the order of the graph. */
export interface ImageRange {
  /** What the image is, for messages, such as `a photograph`. */
  readonly image: string
  /** Whether cameras take such images; noise and white are the worst that can come instead. */
  readonly isOrdinary: boolean
  readonly layers: readonly LayerRange[]
}

/** The largest number that float16 has. */
const LARGEST = 65504

/**
 * Judges whether float16 can hold what layers gave in float32.
 *
 * @returns a note where a layer comes within a factor of two of the end for an ordinary image, or beyond for another;
 *   null where there is room
 * @throws EfficientDetError ERR_WEIGHTS naming the first layer that goes beyond for an ordinary image
 *   (`details.layers` has all that do)
 */
export function checkFp16Range(ranges: readonly ImageRange[]): string | null {
  const ordinary = ranges.filter(({ isOrdinary }) => isOrdinary)
  for (const { image, layers } of ordinary) {
    const beyond = layers.filter(({ magnitude }) => !(magnitude <= LARGEST))
    const [first] = beyond
    if (first === undefined) continue
    const others = beyond.length === 1 ? '' : `, and ${beyond.length - 1} more do`
    throw new EfficientDetError(
      'ERR_WEIGHTS',
      `In float16, which ends at ${LARGEST}, this network overflows: with ${image}, ${first.layer} reaches ` +
        `${rounded(first.magnitude)}${others}. Use fp32, or bf16 for TensorRT.`,
      { details: { layers: beyond } },
    )
  }
  const near = ordinary.map(nearest).find(({ magnitude }) => magnitude > LARGEST / 2)
  const found = near ?? ranges.map(nearest).find(({ magnitude }) => !(magnitude <= LARGEST))
  if (found === undefined) return null
  return (
    `With ${found.image}, ${found.layer} reaches ${rounded(found.magnitude)}, and float16 ends at ${LARGEST}: ` +
    'some images may fail. fp32, or bf16 for TensorRT, is safe.'
  )
}

function nearest({ image, layers }: ImageRange): LayerRange & { readonly image: string } {
  const [first, ...others] = layers
  return { image, ...others.reduce((a, b) => (b.magnitude <= a.magnitude ? a : b), first!) }
}

function rounded(magnitude: number): string {
  return Number.isFinite(magnitude) ? Math.round(magnitude).toLocaleString('en') : String(magnitude)
}
