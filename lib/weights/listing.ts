/** Names for a message: at most ten, the rest counted. */
export function listing(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ')
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown
}

/** The notes on tensors (`name (type)`) whose element type has no place in float32. */
export function unreadableNotes(names: readonly string[]): string[] {
  if (names.length === 0) return []
  return [`Left out, as their element types are not supported: ${listing(names)}.`]
}
