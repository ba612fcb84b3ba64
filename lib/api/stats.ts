import type { EngineStats } from '../backends/backend.js'
import { EfficientDetError, type ErrorCode } from '../base/errors.js'
import type { Timings } from './result.js'

/** Milliseconds of a stage, of all answered frames. */
export interface StageStats {
  readonly sum: number
  readonly max: number
}

/**
 * What a detector has done since it was loaded, and has to do now. Plain data. Counts and sums never fall, as monitors
 * such as Prometheus expect of counters.
 */
export interface DetectorStats {
  /** Milliseconds since the detector was loaded. */
  readonly uptime: number
  /** Calls that are inside now, 0…`maxPending`. */
  readonly pending: number
  /** Calls that wait for others to end, or for bytes that these have. */
  readonly waiting: number
  /** Bytes of the images of pending calls, decoded; beyond `maxPendingBytes` only if there is but one. */
  readonly pendingBytes: number
  /** Bytes of frames of `allocateFrame` that were not disposed; beyond `maxPendingBytes` only if there is but one. */
  readonly allocatedBytes: number
  /** Frames that were answered. */
  readonly frames: number
  /** Calls that failed, by the code of their error; `ABORTED` are those that their signal ended. */
  readonly errors: Readonly<Partial<Record<ErrorCode | 'ABORTED', number>>>
  /** Stages as `timings` of a result has them. `sum` by `frames` is the mean. */
  readonly stages: Readonly<Record<keyof Timings, StageStats>>
  /** What runs the network: one for each GPU, or the CPU's. */
  readonly engines: readonly EngineStats[]
}

const STAGES = [
  'decode',
  'queue',
  'preprocess',
  'network',
  'postprocess',
  'total',
] as const satisfies readonly (keyof Timings)[]

/** Counts what became of calls. */
export class Tally {
  readonly #start = performance.now()
  readonly #errors = new Map<ErrorCode | 'ABORTED', number>()
  readonly #sums = new Float64Array(STAGES.length)
  readonly #maxima = new Float64Array(STAGES.length)
  #frames = 0

  answered(timings: Timings): void {
    this.#frames++
    for (let i = 0; i < STAGES.length; i++) {
      const time = timings[STAGES[i]]
      this.#sums[i] += time
      if (time > this.#maxima[i]) this.#maxima[i] = time
    }
  }

  failed(error: unknown, signal: AbortSignal | undefined): void {
    const isAborted = signal?.aborted === true && error === signal.reason
    const key = isAborted ? 'ABORTED' : error instanceof EfficientDetError ? error.code : null
    if (key !== null) this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1)
  }

  get counts(): Pick<DetectorStats, 'uptime' | 'frames' | 'errors' | 'stages'> {
    const stages = STAGES.map((stage, i) => [stage, { sum: this.#sums[i], max: this.#maxima[i] }])
    return {
      uptime: performance.now() - this.#start,
      frames: this.#frames,
      errors: Object.fromEntries(this.#errors),
      stages: Object.fromEntries(stages),
    }
  }
}
