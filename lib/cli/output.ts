import { once } from 'node:events'
import { abridged, safeJson } from '../base/listing.js'
import { formatTable } from './table.js'

/**
 * The one way out: results to standard output, everything about them to standard error. Strangers' names neither end
 * a line nor steer a terminal.
 */

/** Letters of a line; ours are shorter. */
const MAX_LINE = 10_000

export function print(...lines: readonly string[]): void {
  write(process.stdout, lines)
}

export function printError(...lines: readonly string[]): void {
  write(process.stderr, lines)
}

function write(stream: NodeJS.WriteStream, lines: readonly string[]): void {
  stream.write(lines.map((line) => `${abridged(line, MAX_LINE)}\n`).join(''))
}

/**
 * Waits until standard output has room again: who prints much and does not wait keeps all of it in memory.
 *
 * @throws the signal's reason
 */
export async function drained(signal: AbortSignal): Promise<void> {
  if (!process.stdout.writableNeedDrain) return
  await once(process.stdout, 'drain', { signal }).catch(() => signal.throwIfAborted())
}

/** @param indent of its lines; one line where it is left out */
export function printJson(value: unknown, indent?: number): void {
  process.stdout.write(`${safeJson(value, indent)}\n`)
}

export function printNotes(notes: readonly string[]): void {
  for (const note of notes) printError(`note: ${note}`)
}

/** A table of names and facts, for below a title. */
export function printFacts(facts: Readonly<Record<string, string>>): void {
  print(...formatTable(Object.entries(facts)).map((line) => `  ${line}`))
}
