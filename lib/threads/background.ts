import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'

/** A third of the time where others want it too; at 2 the event loop still waited as long as without. */
const NICENESS = 5

/**
 * Lets other threads of the program go before this one and those that it starts, which compute all the time: else the
 * event loop waits whenever it wakes.
 *
 * Linux alone has priorities of threads, and these weigh within a container only.
 */
export function yieldToOthers(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS)
  } catch {
    // No /proc, or no right to: it computes all the same.
  }
}
