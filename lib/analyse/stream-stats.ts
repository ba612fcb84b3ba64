/** Latencies that are remembered, the newest. */
const REMEMBERED = 1000
/** Seconds over which frames per second are told. */
const WINDOW = 5

/** What becomes of one stream, so far. */
export interface StreamStats {
  readonly name: string
  readonly state: 'opening' | 'running' | 'lost' | 'ended' | 'failed'
  /** Frames whose results were handed on, and those of which detection failed. */
  readonly frames: number
  readonly failed: number
  /** Frames a second in the last seconds. */
  readonly fps: number
  /** Milliseconds from the whole frame to its results: the median, and what 99 of 100 stay below; null before the first. */
  readonly latency: { readonly p50: number; readonly p99: number } | null
  /** Frames that gave way to newer ones. */
  readonly dropped: number
  readonly reconnections: number
  /** Frames that are in detection or wait for it. */
  readonly queue: number
  /** Frames that a file probably has; null for what has no end. */
  readonly total: number | null
  /** Why it is lost or failed. */
  readonly reason: string | null
}

/** Counts the frames of a stream, and how long each took. */
export class Pace {
  #frames = 0
  /** When the newest frames were done, in milliseconds. */
  #done: number[] = []
  readonly #latencies: number[] = []

  get frames(): number {
    return this.#frames
  }

  /** @param received when the frame was whole, as `performance.now()` counts */
  count(received: number): void {
    const now = performance.now()
    this.#latencies[this.#frames % REMEMBERED] = now - received
    this.#frames++
    this.#done.push(now)
    if (this.#done.length > 2 * REMEMBERED) this.#done = this.#done.slice(-REMEMBERED)
  }

  get fps(): number {
    const since = performance.now() - 1000 * WINDOW
    const recent = this.#done.filter((time) => time >= since)
    if (recent.length < 2) return 0
    return (1000 * (recent.length - 1)) / (recent[recent.length - 1] - recent[0])
  }

  get latency(): StreamStats['latency'] {
    if (this.#latencies.length === 0) return null
    const sorted = [...this.#latencies].sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
    return { p50: at(0.5), p99: at(0.99) }
  }
}
