import type { Readable } from 'node:stream'
import { EfficientDetError } from '../base/errors.js'
import { DEFAULT_MAX_PIXELS } from '../base/limits.js'
import type { FrameLayout, PixelFormat } from '../image/frame.js'
import { Bell } from '../threads/bell.js'
import { Child, type Exit } from '../threads/child.js'
import type { FrameMemory } from './frame-memory.js'
import { AT_END, type FramePipe, type FrameReader, openFramePipe } from './frame-reader.js'
import { type FrameTime, FrameTimes } from './frame-times.js'
import { Log, type StreamFacts } from './log.js'
import type { Input } from './source.js'

/** Frames that are read ahead: one that is filled while another waits and a third is worked on. */
const AHEAD = 3

/** How a program that writes frames is started, and what is known of them before. */
export interface Run {
  readonly file: string
  readonly args: readonly string[]
  readonly name: string
  readonly secrets: readonly string[]
  readonly readsStdin: boolean
  readonly format: PixelFormat
  /** Where a server must listen before it makes sense to try again. */
  readonly address: Input['address']
  /** What its frames are; null for ffmpeg, which says so and tells the time of each. */
  readonly facts: StreamFacts | null
  readonly frameBytes: (facts: StreamFacts) => number
  /** Whether it is known before to be live. */
  readonly live: boolean
  /** Whether the newest frame wins. */
  readonly isLive: (facts: StreamFacts) => boolean
}

export interface DecodedFrame {
  readonly data: Uint8Array
  /** Counted from the run's first frame. */
  readonly index: number
  /** Null for a program that tells none. */
  readonly time: FrameTime | null
  /** When it was whole, as `performance.now()` counts. */
  readonly received: number
}

/** One run of a program that decodes a source, from its start to its end. */
export class Decoder {
  readonly #run: Run
  readonly #memory: FrameMemory
  readonly #bell = new Bell()
  readonly #log: Log
  readonly #times = new FrameTimes()
  readonly #child: Child
  readonly #pipe: FramePipe
  #reader: FrameReader | null = null
  #layout: FrameLayout | null = null
  /** A frame whose time has yet to come. */
  #untimed: readonly [Uint8Array, number, number] | null = null
  #drops = 0
  #isEnding = false

  constructor(run: Run, memory: FrameMemory) {
    this.#run = run
    this.#memory = memory
    this.#log = new Log(run.secrets)
    this.#pipe = openFramePipe()
    const stdin = run.readsStdin ? 'inherit' : 'ignore'
    this.#child = new Child(run.file, run.args, [stdin, this.#pipe.stdout, 'pipe', 'pipe'])
    const [, stdout, stderr, times] = this.#child.process.stdio
    this.#pipe.started(stdout as Readable | null)
    // A pipe that nobody empties would stop the program.
    this.#listen(stderr as Readable | null, this.#log)
    this.#listen(times as Readable | null, this.#times)
    void this.#child.exited.then(this.#bell.ring)
  }

  #listen(stream: Readable | null, reader: { push(text: string): void }): void {
    stream?.setEncoding('latin1').on('data', (text: string) => {
      reader.push(text)
      this.#bell.ring()
    })
    stream?.on('error', () => {})
    stream?.on('close', this.#bell.ring)
  }

  /** Frames that were dropped for newer ones. */
  get drops(): number {
    return this.#reader?.state()?.[3] ?? this.#drops
  }

  /** Faults that the program told of. */
  get faults(): number {
    return this.#log.errorCount
  }

  /**
   * Waits until it is known what the frames are.
   *
   * @param limit milliseconds
   * @throws EfficientDetError ERR_VIDEO; the signal's reason
   */
  async open(signal: AbortSignal | undefined, limit: number): Promise<StreamFacts> {
    const deadline = performance.now() + limit
    if (this.#child.process.pid === undefined) throw this.#failure(await this.#child.exited)
    for (;;) {
      const facts = this.#run.facts ?? this.#log.facts
      if (this.#child.exit !== null && this.#isDrained && facts === null)
        throw this.#failure(this.#child.exit)
      if (facts !== null) return this.#read(facts)
      const isLate = !(await this.#bell.wait(signal, deadline - performance.now()))
      if (isLate) throw this.#silence(limit)
    }
  }

  #read(facts: StreamFacts): StreamFacts {
    const { width, height } = facts
    if (width * height > DEFAULT_MAX_PIXELS) {
      throw this.#error(
        `has frames of ${width}×${height}, and ${DEFAULT_MAX_PIXELS} pixels are the most; scale makes them smaller`,
      )
    }
    const frameBytes = this.#run.frameBytes(facts)
    this.#reader = this.#pipe.read(frameBytes, this.#run.isLive(facts), this.#bell.ring)
    this.#layout = { format: this.#run.format, width: facts.width, height: facts.height }
    for (let i = 0; i < AHEAD; i++) this.#reader.lend(this.#memory.take(frameBytes, this.#layout))
    return facts
  }

  /**
   * The next frame, or null at the end.
   *
   * @param limit milliseconds without one
   * @throws EfficientDetError ERR_VIDEO; the signal's reason
   */
  async next(signal: AbortSignal | undefined, limit: number): Promise<DecodedFrame | null> {
    const deadline = performance.now() + limit
    for (;;) {
      const frame = this.#take()
      if (frame !== null) return frame
      const state = this.#reader?.state() ?? null
      if (state === null) return null
      const [end, systemError] = state
      if (end === AT_END.error) throw this.#error(`cannot be read (error ${systemError} of the pipe)`)
      // Times may come after the frames, and reasons after both.
      if (end === AT_END.endOfFile && this.#child.exit !== null && this.#isDrained && this.#take() === null) {
        this.#throwIfFailed(this.#child.exit)
        return null
      }
      const isLate = !(await this.#bell.wait(signal, deadline - performance.now()))
      if (isLate) throw this.#silence(limit)
    }
  }

  #take(): DecodedFrame | null {
    this.#untimed ??= this.#reader?.take() ?? null
    if (this.#untimed === null) return null
    const [data, index, age] = this.#untimed
    const time = this.#run.facts === null ? this.#times.take(index) : null
    if (this.#run.facts === null && time === null) return null
    this.#untimed = null
    this.#reader!.lend(this.#memory.take(data.length, this.#layout!))
    return { data, index, time, received: performance.now() - age }
  }

  get #isDrained(): boolean {
    const [, , stderr, times] = this.#child.process.stdio
    return [stderr, times].every((stream) => stream == null || stream.destroyed)
  }

  #throwIfFailed(exit: Exit): void {
    if (exit.code !== 0) throw this.#failure(exit)
  }

  #failure({ code, signal, error }: Exit): EfficientDetError {
    const ended = error?.message ?? (signal === null ? `exit code ${code}` : `ended by ${signal}`)
    return this.#error(`cannot be read (${this.#log.reason ?? (code === 0 ? 'it holds no picture' : ended)})`)
  }

  #silence(limit: number): EfficientDetError {
    return this.#error(`gave no frame for ${Number((limit / 1000).toFixed(1))} s`)
  }

  #error(predicate: string): EfficientDetError {
    return new EfficientDetError('ERR_VIDEO', `${this.#run.name} ${predicate}.`)
  }

  /** Ends the program and gives its pipe back. May be called again. */
  async end(): Promise<void> {
    if (!this.#isEnding) {
      this.#isEnding = true
      this.#drops = this.drops
      if (this.#reader === null) this.#pipe.drop()
      else this.#reader.close()
      this.#bell.ring()
    }
    await this.#child.end()
    for (const stream of this.#child.process.stdio) stream?.destroy()
  }
}
