import { MAX_ANCHORS, MAX_CLASSES, MAX_SCORES } from '../base/limits.js'
import { countAnchors } from './anchors.js'
import type { Size } from './levels.js'
import type { Architecture } from './spec.js'

/** What an input of this size is too much of for a model, with the limit; null where it is within all limits. */
export function excessOf(
  { variant, classes, anchorsPerCell }: Pick<Architecture, 'variant' | 'classes' | 'anchorsPerCell'>,
  input: Size,
): string | null {
  const anchors = countAnchors(input, variant.maxLevel, anchorsPerCell)
  const counts = [
    ['classes', classes, MAX_CLASSES],
    ['anchors', anchors, MAX_ANCHORS],
    ['class scores', anchors * classes, MAX_SCORES],
  ] as const
  const excess = counts.find(([, count, limit]) => count > limit)
  if (excess === undefined) return null
  const [what, count, limit] = excess
  return `${count} ${what} (at ${input.height}×${input.width}), and at most ${limit} are possible`
}
