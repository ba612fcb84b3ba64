import { availableParallelism } from 'node:os'
import { groupLimits } from './control-groups.js'

/** How many threads can run at a time: those of the processors that this process may use, within its container's quota. */
export function availableProcessors(root = '/'): number {
  // More threads than the quota has time for stop each other: half a processor is best used by one.
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(groupLimits(root).processors)))
}
