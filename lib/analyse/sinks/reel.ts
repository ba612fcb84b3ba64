import { join, parse } from 'node:path'
import { Artist } from '../../annotate/artist.js'
import { EfficientDetError } from '../../base/errors.js'
import type { Ffmpeg } from '../../video/ffmpeg.js'
import { Encoder } from '../encoder.js'
import type { FrameReport, Picture } from './sink.js'

/** Frames that an encoder may owe before a live stream's are lost. */
const MAX_WAITING = 2

/** The video file of one stream, or several where the size of its frames changes. */
export class Reel {
  readonly #path: string
  readonly #ffmpeg: Ffmpeg
  readonly #codec: readonly string[]
  #files = 0
  #film: { readonly encoder: Encoder; readonly width: number; readonly height: number } | null = null
  #work: Promise<void> = Promise.resolve()
  #waiting = 0
  #error: EfficientDetError | null = null
  #written = 0
  #lost = 0

  constructor(path: string, ffmpeg: Ffmpeg, codec: readonly string[]) {
    this.#path = path
    this.#ffmpeg = ffmpeg
    this.#codec = codec
  }

  get written(): number {
    return this.#written
  }

  get lost(): number {
    return this.#lost
  }

  /** Why nothing more is written. */
  get error(): EfficientDetError | null {
    return this.#error
  }

  /** @returns settles when the frame's memory is free; null where it was lost at once */
  write(report: FrameReport, picture: Picture): Promise<void> | null {
    if (this.#error !== null || (report.live && this.#waiting >= MAX_WAITING)) {
      this.#lost++
      return null
    }
    this.#waiting++
    this.#work = this.#work.then(() => this.#add(report, picture))
    return this.#work
  }

  async #add(report: FrameReport, picture: Picture): Promise<void> {
    try {
      if (this.#error !== null) throw this.#error
      const { frame, scene } = picture
      const encoder = await this.#encoderFor(report, picture)
      const artist = await Artist.open(frame)
      await artist.prepare(scene)
      artist.draw(frame, scene)
      await encoder.write(frame, report.time)
      this.#written++
    } catch (error) {
      this.#lost++
      this.#fail(error)
    } finally {
      this.#waiting--
    }
  }

  async #encoderFor({ live }: FrameReport, { frame, frameRate }: Picture): Promise<Encoder> {
    const { width, height } = frame
    if (this.#film?.width === width && this.#film.height === height) return this.#film.encoder
    await this.#film?.encoder.end()
    const options = {
      ffmpeg: this.#ffmpeg,
      codec: this.#codec,
      path: this.#nextPath(),
      frame,
      frameRate,
      live,
    }
    this.#film = { encoder: new Encoder(options), width, height }
    return this.#film.encoder
  }

  #nextPath(): string {
    const { dir, name, ext } = parse(this.#path)
    return ++this.#files === 1 ? this.#path : join(dir, `${name}-${this.#files}${ext}`)
  }

  #fail(cause: unknown): void {
    this.#error ??=
      cause instanceof EfficientDetError
        ? cause
        : new EfficientDetError('ERR_OUTPUT', `${this.#path} cannot be written (${String(cause)}).`, {
            cause,
          })
  }

  /** Ends the file; `error` tells whether it is whole. */
  async end(): Promise<void> {
    await this.#work
    const film = this.#film
    this.#film = null
    try {
      await film?.encoder.end()
    } catch (error) {
      this.#fail(error)
    }
  }
}
