import { onAbort } from './abort.js'

/** Wakes the one who waits for a change. A ring that nobody waits for is remembered. */
export class Bell {
  #rung = false
  #wake: (() => void) | null = null

  readonly ring = (): void => {
    this.#rung = true
    this.#wake?.()
  }

  /**
   * Waits for a ring.
   *
   * @param limit milliseconds
   * @returns whether it rang, and not the time ran out
   * @throws the signal's reason
   */
  async wait(signal: AbortSignal | undefined, limit: number): Promise<boolean> {
    signal?.throwIfAborted()
    if (!this.#rung) {
      let timer: NodeJS.Timeout | undefined
      const stopListening = onAbort(signal, () => this.#wake?.())
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        if (Number.isFinite(limit)) timer = setTimeout(resolve, Math.max(0, limit))
      })
      this.#wake = null
      clearTimeout(timer)
      stopListening()
      signal?.throwIfAborted()
    }
    const rang = this.#rung
    this.#rung = false
    return rang
  }
}
