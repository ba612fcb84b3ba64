import { extname } from 'node:path'
import type { Writable } from 'node:stream'
import { type StagedFile, stageFile } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'
import type { Frame } from '../image/frame.js'
import { invalidOption } from '../options/checks.js'
import { Child } from '../threads/child.js'
import { withResolvers } from '../threads/with-resolvers.js'
import { codecsOf, type Ffmpeg } from '../video/ffmpeg.js'
import { Log } from '../video/log.js'
import { matroskaBlock, matroskaHeader } from './matroska.js'

/** Kinds of video files, by their names' ends. */
const FORMATS: Readonly<Record<string, string>> = {
  '.mp4': 'mp4',
  '.m4v': 'mp4',
  '.mov': 'mov',
  '.mkv': 'matroska',
  '.ts': 'mpegts',
}

/** What encodes H.264, the best first, and how it is told to be quick and good enough. */
const CODECS: readonly (readonly [name: string, ...args: string[]])[] = [
  // A quarter of the time of `veryfast`, which detection has then, for twice the bytes.
  ['libx264', '-preset', 'ultrafast', '-crf', '23'],
  ['h264_nvenc', '-preset', 'p4', '-cq', '25'],
  ['libopenh264', '-b:v', '4M'],
  ['h264_v4l2m2m', '-b:v', '4M'],
  ['h264_videotoolbox', '-q:v', '55'],
]

/** Milliseconds for an encoder to take a frame, and to end its file: for longer, it counts as hung. */
const PATIENCE = 30_000
const LONGEST_END = 120_000

/** The format of a video file of that name. @throws EfficientDetError ERR_INVALID_OPTION */
export function formatOf(path: string): string {
  const format = FORMATS[extname(path).toLowerCase()]
  if (format !== undefined) return format
  throw invalidOption('path', path, `a name that ends in ${Object.keys(FORMATS).join(', ')}`)
}

/** How this ffmpeg encodes H.264. @throws EfficientDetError ERR_FFMPEG */
export async function h264Of(ffmpeg: Ffmpeg): Promise<readonly string[]> {
  const encoders = await codecsOf(ffmpeg, 'encoders')
  const codec = CODECS.find(([name]) => encoders.has(name))
  if (codec !== undefined) return codec
  const names = CODECS.map(([name]) => name).join(', ')
  throw new EfficientDetError(
    'ERR_FFMPEG',
    `${ffmpeg.path} encodes no H.264: it has none of ${names}. Install an ffmpeg that does.`,
  )
}

export interface EncoderOptions {
  readonly ffmpeg: Ffmpeg
  /** From `h264Of`. */
  readonly codec: readonly string[]
  readonly path: string
  /** What the first frame is, and all others. */
  readonly frame: Frame
  readonly frameRate: number | null
  /** Whether the file is to be readable while it grows, as far as it has come. */
  readonly live: boolean
}

/** Writes frames of one size, with their times, to one file of H.264: aside, until it is whole. */
export class Encoder {
  readonly #file: Promise<void>
  /** Settles when frames can be written. */
  readonly #ready: Promise<void>
  readonly #log = new Log([])
  #child!: Child
  #begin: number | null = null
  #lastTime = -1
  #writing: Promise<void> = Promise.resolve()

  constructor(options: EncoderOptions) {
    const { promise, resolve, reject } = withResolvers<void>()
    this.#ready = promise
    this.#file = stageFile(options.path, (staged) => this.#encode(staged, options, resolve))
    this.#file.catch(reject)
    promise.catch(() => {})
  }

  async #encode(staged: StagedFile, options: EncoderOptions, onReady: () => void): Promise<void> {
    this.#child = new Child(options.ffmpeg.path, argsOf(staged, options), ['pipe', 'ignore', 'pipe'])
    const { stdin, stderr } = this.#child.process
    // Whoever writes hears of it by the end of the program.
    stdin!.on('error', () => {})
    stderr!.setEncoding('latin1').on('data', (text: string) => this.#log.push(text))
    stdin!.write(matroskaHeader(options.frame, options.frameRate))
    onReady()
    const { code, signal, error } = await this.#child.exited
    if (code === 0) return
    const ended = signal === null ? `exit code ${code}` : `ended by ${signal}`
    const reason = error?.message ?? this.#log.reason ?? ended
    throw new EfficientDetError('ERR_OUTPUT', `${staged.path} cannot be written (${abridged(reason)}).`)
  }

  /**
   * Writes a frame, whose bytes must stay until then.
   *
   * @param time in seconds; one that is not after the frame's before is moved there
   * @throws EfficientDetError ERR_OUTPUT
   */
  write({ data }: { readonly data: Uint8Array }, time: number): Promise<void> {
    this.#begin ??= time
    this.#lastTime = Math.max(time - this.#begin, this.#lastTime + 1e-3)
    const block = matroskaBlock(data.length, this.#lastTime)
    this.#writing = this.#writing.then(async () => {
      await this.#ready
      const { stdin } = this.#child.process
      stdin!.write(block)
      await this.#within(PATIENCE, written(stdin!, data)).catch((error) => this.#explain(error))
    })
    return this.#writing
  }

  /** Says why the program takes no more, which a broken pipe does not tell. */
  async #explain(cause: Error): Promise<never> {
    await this.#file
    throw new EfficientDetError('ERR_OUTPUT', `The encoder ended early (${cause.message}).`, { cause })
  }

  /** Ends the file. @throws EfficientDetError ERR_OUTPUT */
  async end(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#ready
    this.#child.process.stdin!.end()
    await this.#within(LONGEST_END, this.#file)
  }

  /** Ends an encoder that takes too long, which fails its file. */
  async #within(limit: number, work: Promise<void>): Promise<void> {
    const timer = setTimeout(() => void this.#child.end(), limit)
    try {
      await work
    } finally {
      clearTimeout(timer)
    }
  }
}

function written(stream: Writable, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => stream.write(data, (error) => (error ? reject(error) : resolve())))
}

function argsOf({ path, partial }: StagedFile, { codec, frame, live }: EncoderOptions): string[] {
  const format = formatOf(path)
  const range = frame.range === 'full' ? 'pc' : 'tv'
  const isMp4 = format === 'mp4' || format === 'mov'
  return [
    ...['-hide_banner', '-nostats', '-loglevel', 'repeat+level+error'],
    ...['-f', 'matroska', '-i', 'pipe:0', '-fps_mode', 'passthrough', '-enc_time_base', '-1'],
    // Samples keep their range, and chroma of H.264 is for pairs of pixels.
    ...['-vf', `scale=in_range=${range}:out_range=${range},format=yuv420p,pad=ceil(iw/2)*2:ceil(ih/2)*2`],
    ...['-c:v', ...codec],
    // The index in front, for players that begin while they load.
    ...(isMp4 ? ['-movflags', live ? '+frag_keyframe+empty_moov+default_base_moof' : '+faststart'] : []),
    ...['-f', format, `file:${partial}`],
  ]
}
