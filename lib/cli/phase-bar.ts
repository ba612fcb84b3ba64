import { Presets, SingleBar } from 'cli-progress'

/** A bar with the name of what is done now, at the bottom of a terminal; elsewhere nothing. */
export class PhaseBar {
  #bar: SingleBar | null = null

  show(fraction: number, phase: string): void {
    if (!process.stderr.isTTY) return
    if (this.#bar === null) {
      this.#bar = new SingleBar(
        {
          format: '{bar} {percentage} % {phase}',
          clearOnComplete: true,
          hideCursor: true,
          stream: process.stderr,
        },
        Presets.shades_classic,
      )
      this.#bar.start(1, 0, { phase })
    }
    this.#bar.update(fraction, { phase })
  }

  end(): void {
    this.#bar?.stop()
  }
}
