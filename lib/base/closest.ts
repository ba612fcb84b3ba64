import { closest as closestOf, distance } from 'fastest-levenshtein'

/** The candidate that a misspelt or cut-off word was probably meant to be, or null. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const cut = word.slice(0, 100)
  const best = closestOf(cut, candidates)
  if (distance(cut, best) <= Math.max(1, Math.floor(best.length / 3))) return best
  const beginning = cut.toLowerCase()
  const longer = candidates.filter((candidate) => candidate.toLowerCase().startsWith(beginning))
  return beginning.length >= 3 && longer.length === 1 ? longer[0] : null
}
