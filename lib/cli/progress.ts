import { Presets, SingleBar } from 'cli-progress'

/** A bar at the bottom of a terminal, for work of more than one step; elsewhere nothing. */
export class ProgressBar {
  readonly #bar: SingleBar | null = null

  constructor(total: number, unit = 'pictures') {
    if (total < 2 || !process.stderr.isTTY) return
    const format = `{bar} {value}/{total} ${unit}, {eta_formatted} left`
    this.#bar = new SingleBar(
      { format, clearOnComplete: true, hideCursor: true, stream: process.stderr },
      Presets.shades_classic,
    )
    this.#bar.start(total, 0)
  }

  /** Prints something without tearing the bar: takes it away first. */
  above(print: () => void): void {
    if (this.#bar !== null) process.stderr.write('\r\x1b[K')
    print()
  }

  step(amount = 1): void {
    this.#bar?.increment(amount)
  }

  end(): void {
    this.#bar?.stop()
  }
}
