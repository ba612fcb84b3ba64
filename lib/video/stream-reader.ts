import type { Readable } from 'node:stream'

interface Whole {
  readonly data: Uint8Array
  readonly index: number
  readonly readAt: number
}

/** Does on the event loop what the addon's reader does in a thread of its own (native/addon/frame_pipe.h). */
export class StreamReader {
  readonly #stream: Readable
  readonly #frameBytes: number
  readonly #newestWins: boolean
  readonly #onChange: () => void
  readonly #empty: Uint8Array[] = []
  #whole: Whole[] = []
  #filling: Uint8Array | null = null
  #filled = 0
  #count = 0
  #drops = 0
  #end: 0 | 1 | 2 = 0
  #isClosed = false

  constructor(stream: Readable, frameBytes: number, newestWins: boolean, onChange: () => void) {
    this.#stream = stream
    this.#frameBytes = frameBytes
    this.#newestWins = newestWins
    this.#onChange = onChange
    stream.on('readable', () => this.#fill())
    stream.on('end', () => this.#finish(1))
    stream.on('error', () => this.#finish(2))
  }

  lend(data: Uint8Array): void {
    this.#empty.push(data)
    this.#fill()
  }

  take(): readonly [Uint8Array, number, number] | null {
    if (this.#newestWins) while (this.#whole.length > 1) this.#drop()
    const first = this.#whole.shift()
    return first === undefined ? null : [first.data, first.index, performance.now() - first.readAt]
  }

  state(): readonly [0 | 1 | 2, number, number, number] | null {
    return this.#isClosed ? null : [this.#end, 0, this.#filled, this.#drops]
  }

  close(): void {
    this.#isClosed = true
    this.#stream.destroy()
  }

  #drop(): void {
    this.#empty.push(this.#whole.shift()!.data)
    this.#drops++
  }

  #fill(): void {
    while (!this.#isClosed) {
      if (this.#filling === null) {
        if (this.#newestWins && this.#empty.length === 0 && this.#whole.length > 0) this.#drop()
        this.#filling = this.#empty.shift() ?? null
        if (this.#filling === null) return
      }
      const piece: Buffer | null = this.#stream.read(
        Math.min(this.#stream.readableLength, this.#frameBytes - this.#filled) || 1,
      )
      if (piece === null) return
      this.#filling.set(piece, this.#filled)
      this.#filled += piece.length
      if (this.#filled < this.#frameBytes) continue
      this.#whole.push({ data: this.#filling, index: this.#count++, readAt: performance.now() })
      this.#filling = null
      this.#filled = 0
      this.#onChange()
    }
  }

  #finish(end: 1 | 2): void {
    this.#end ||= end
    this.#onChange()
  }
}
