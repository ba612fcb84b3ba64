/** Names for a message: at most ten (or `most`), the rest counted, and of each at most 200 letters. */
export function listing(names: readonly string[], most = 10): string {
  const shown = names.slice(0, most).map(abridged).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}

/** Texts in a file may be as long as the file. */
export function abridged(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
