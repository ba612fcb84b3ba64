import { Presets, SingleBar } from 'cli-progress'
import { abridged } from '../base/listing.js'

/** A bar at the bottom of a terminal, from the first update on; elsewhere nothing. */
export class ProgressBar {
  readonly #text: string
  #bar: SingleBar | null = null

  /** @param text beside the bar, as cli-progress formats it: `{value}/{total} MB` */
  constructor(text: string) {
    this.#text = text
  }

  /** @param phase what is done now, for texts with `{phase}` */
  update(value: number, total: number, phase = ''): void {
    if (!process.stderr.isTTY) return
    const payload = { phase: abridged(phase, 80) }
    if (this.#bar === null) {
      // A cursor that was hidden would stay so where the process is killed.
      const options = { format: `{bar} ${this.#text}`, clearOnComplete: true, stream: process.stderr }
      this.#bar = new SingleBar(options, Presets.shades_classic)
      this.#bar.start(total, value, payload)
    } else {
      this.#bar.setTotal(total)
      this.#bar.update(value, payload)
    }
  }

  /** Prints something without tearing the bar: takes it away first. */
  above(print: () => void): void {
    if (this.#bar !== null) process.stderr.write('\r\x1b[K')
    print()
  }

  end(): void {
    this.#bar?.stop()
    this.#bar = null
  }
}
