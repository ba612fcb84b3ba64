import { formatTable } from './table.js'

/** Results go to standard output, everything about them to standard error. */

/** Names in files come from strangers: what would steer a terminal is shown instead of obeyed. */
function harmless(text: string): string {
  const shown = (sign: string) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`
  return text.replace(/(?![\n\t])\p{Cc}/gu, shown)
}

export function print(text: string): void {
  process.stdout.write(`${harmless(text)}\n`)
}

export function printError(text: string): void {
  process.stderr.write(`${harmless(text)}\n`)
}

export function printNotes(notes: readonly string[]): void {
  for (const note of notes) printError(`note: ${note}`)
}

/** A table of names and facts, for below a title. */
export function printFacts(facts: Readonly<Record<string, string>>): void {
  for (const line of formatTable(Object.entries(facts))) print(`  ${line}`)
}
