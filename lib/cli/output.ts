/** Results go to standard output, everything about them to standard error. */

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}

export function tellNotes(notes: readonly string[]): void {
  for (const note of notes) tell(`note: ${note}`)
}
