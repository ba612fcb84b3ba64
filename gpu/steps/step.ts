/** What every step of the kit says: a line of JSON for each result, and text for people. */

/** Whether the kit runs on a CPU that stands in for the GPU: fewer rounds, to see that the steps themselves work. */
export const IS_DRY = process.env.GPU_KIT_DRY !== undefined

/** Where the programs and libraries of the device, or of what stands in for it, lie. */
export const DEVICE_FOLDER = process.env.GPU_KIT_DEVICE!

/** The folder of the kit's project. */
export const PROJECT = process.env.GPU_KIT_PROJECT!

/** A Python that has PyTorch, if there is one. */
export const PYTHON = process.env.GPU_KIT_PYTHON

export function tell(result: object): void {
  console.log(JSON.stringify(result))
}

/** Ends a step that this machine cannot do. */
export function skip(reason: string): never {
  tell({ skipped: reason })
  process.exit(0)
}

/** A result that makes the step fail if it did not pass; others are still tried. */
export function check(passed: boolean, result: object): void {
  tell({ passed, ...result })
  if (!passed) process.exitCode = 1
}

/** Works on all items, so many at a time. */
export async function inParallel<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>) {
  const waiting = [...items]
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: limit }, worker))
}
