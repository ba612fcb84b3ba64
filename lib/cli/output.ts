/** Results go to standard output, everything about them to standard error. */

/** Names in files come from strangers: what would steer a terminal is shown instead of obeyed. */
function harmless(text: string): string {
  const shown = (sign: string) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`
  return text.replace(/(?![\n\t])\p{Cc}/gu, shown)
}

export function say(line: string): void {
  process.stdout.write(`${harmless(line)}\n`)
}

export function tell(line: string): void {
  process.stderr.write(`${harmless(line)}\n`)
}

export function tellNotes(notes: readonly string[]): void {
  for (const note of notes) tell(`note: ${note}`)
}

/** A title and a table of names and facts below it. */
export function sayFacts(title: string, facts: Readonly<Record<string, string>>): void {
  say(title)
  sayTable(facts)
}

export function sayTable(facts: Readonly<Record<string, string>>): void {
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  for (const [name, fact] of Object.entries(facts)) say(`  ${name.padEnd(width)}  ${fact}`)
}
