import type { AnalysisStats } from '../analyse/analyse.js'
import type { StreamStats } from '../analyse/stream-stats.js'
import { ProgressBar } from './progress.js'
import { formatTable } from './table.js'

/** What streams do now: a bar for one file, else a line for each stream, on terminals alone. */
export class StatusLines {
  readonly #bar = new ProgressBar('{value}/{total} frames, {phase}, {eta_formatted} left')
  #lines = 0

  update({ streams }: AnalysisStats): void {
    const [{ frames, total, fps }] = streams
    if (streams.length === 1 && total !== null) {
      this.#bar.update(Math.min(frames, total), total, `${fps.toFixed(1)} fps`)
    } else if (process.stderr.isTTY) {
      this.#erase()
      const lines = statusOf(streams).map((line) => line.slice(0, process.stderr.columns - 1))
      process.stderr.write(lines.map((line) => `${line}\n`).join(''))
      this.#lines = lines.length
    }
  }

  end(): void {
    this.#bar.end()
    this.#erase()
  }

  #erase(): void {
    if (this.#lines > 0) process.stderr.write(`\x1b[${this.#lines}A\x1b[J`)
    this.#lines = 0
  }
}

/** A table of streams, one line each. */
export function statusOf(streams: readonly StreamStats[]): string[] {
  const rows = streams.map(
    ({ name, state, frames, failed, fps, latency, dropped, reconnections, queue, reason }) => [
      name,
      state,
      `${frames} frames`,
      `${fps.toFixed(1)} fps`,
      latency === null ? '' : `${latency.p50.toFixed(0)} ms, p99 ${latency.p99.toFixed(0)} ms`,
      `${dropped} dropped`,
      `${reconnections} reconnections`,
      `${queue} queued`,
      [...(failed > 0 ? [`${failed} failed`] : []), ...(reason === null ? [] : [reason])].join(', '),
    ],
  )
  return formatTable(rows, ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'])
}
