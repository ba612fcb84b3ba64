/** Called with how far a build is: 0…1, monotonic, and what it does now. */
export type BuildProgress = (progress: { readonly fraction: number; readonly phase: string }) => void

/** A monotonic listener: no step back is passed on. Where a builder was killed, the next begins anew. */
export function monotonic(listener: BuildProgress): BuildProgress {
  let highest = 0
  return ({ fraction, phase }) => {
    highest = Math.max(highest, fraction)
    listener({ fraction: highest, phase })
  }
}
