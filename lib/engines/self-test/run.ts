import { EfficientDetError } from '../../base/errors.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import { type Comparison, compareDetections, isWithin, LIMITS, worstOf } from './comparison.js'

/** What the detections of an engine were compared with: the CPU backend's, or each other. */
export const REFERENCES = ['cpu', 'itself'] as const
export type Reference = (typeof REFERENCES)[number]

/** Worst figures of a test run: the largest score difference, and the least overlap. */
export interface SelfTestFigures extends Comparison {
  readonly against: Reference
  /** Images that were compared. */
  readonly compared: number
}

/** One batch of a test: the number of the image in each place. */
export type TestBatch = readonly number[]

/**
 * The batches of a test: the fullest and the emptiest of every profile.
 *
 * Images change their places from batch to batch, so that the detections of another batch are noticed.
 *
 * @param profileBatchSizes batches that the engine is tuned for, ascending
 * @param maxBatchSize of those that will run
 */
export function testBatches(
  profileBatchSizes: readonly number[],
  maxBatchSize: number,
  images: number,
): TestBatch[] {
  const sizes = profileBatchSizes.flatMap((largest, i) => {
    const least = (profileBatchSizes[i - 1] ?? 0) + 1
    return least > maxBatchSize ? [] : [Math.min(largest, maxBatchSize), least]
  })
  return sizes.map((size, i) => Array.from({ length: size }, (_, place) => (place + i) % images))
}

/** Detections that are wrong, and where they were found; from 0. */
interface Wrong {
  readonly context: number
  readonly batch: number
  readonly place: number
  /** Null where there are none. */
  readonly comparison: Comparison | null
  /** What the engine said instead, or null. */
  readonly failure: string | null
}

/** Compares the detections of a test run as they come. */
export class SelfTestRun {
  readonly #against: Reference
  /** The reference of each image; without a reference, the first that came. */
  readonly #expected: DetectionArrays[]
  #worst: Comparison = { scoreDifference: 0, overlap: 1 }
  #compared = 0
  #wrong = 0
  #worstWrong: Wrong | null = null

  /** @param expected reference detections of the images, or null where nobody knows them */
  constructor(expected: readonly DetectionArrays[] | null) {
    this.#against = expected === null ? 'itself' : 'cpu'
    this.#expected = [...(expected ?? [])]
  }

  /** Takes what a batch in a context came to, in each place detections, or why there are none. */
  add(context: number, batch: TestBatch, outcomes: readonly (DetectionArrays | string)[]): void {
    batch.forEach((image, place) => {
      const found = outcomes[place]
      this.#compared++
      const where = { context, batch: batch.length, place }
      if (typeof found === 'string') {
        this.#note({ ...where, comparison: null, failure: found })
        return
      }
      this.#expected[image] ??= found
      const comparison = compareDetections(found, this.#expected[image])
      this.#worst = worstOf([this.#worst, comparison])
      if (!isWithin(comparison)) this.#note({ ...where, comparison, failure: null })
    })
  }

  /** @throws EfficientDetError ERR_ENGINE with the fault `wrong` if any detections are */
  figures(): SelfTestFigures {
    if (this.#worstWrong === null) return { against: this.#against, compared: this.#compared, ...this.#worst }
    const { context, batch, place, comparison, failure } = this.#worstWrong
    const rival = this.#against === 'cpu' ? "the CPU backend's" : 'its first to the same images'
    throw new EfficientDetError(
      'ERR_ENGINE',
      `The engine answers wrongly and is not used: ${this.#wrong} of ${this.#compared} answers differ from ${rival}. ` +
        `The worst, in context ${context}, in a batch of ${batch}, for frame ${place}: ${failure ?? describe(comparison!)} ` +
        'Try another precision, optimisationLevel or version of TensorRT, and please report it; engine.selfTest: false (--no-self-test) loads the engine as it is.',
      {
        details: {
          fault: 'wrong',
          against: this.#against,
          compared: this.#compared,
          wrong: this.#wrong,
          context,
          batch,
          place,
          ...comparison,
          failure,
        },
      },
    )
  }

  #note(wrong: Wrong): void {
    this.#wrong++
    if (this.#worstWrong === null || badness(wrong) > badness(this.#worstWrong)) this.#worstWrong = wrong
  }
}

function badness({ comparison }: Wrong): number {
  if (comparison === null) return Number.POSITIVE_INFINITY
  const { scoreDifference, overlap } = comparison
  return Math.max(scoreDifference / LIMITS.scoreDifference, (1 - overlap) / (1 - LIMITS.overlap))
}

function describe({ scoreDifference, overlap }: Comparison): string {
  return `scores differ by up to ${scoreDifference.toFixed(3)} (at most ${LIMITS.scoreDifference} is right), and boxes overlap by ${overlap.toFixed(3)} (at least ${LIMITS.overlap}).`
}
