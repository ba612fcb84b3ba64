import { MAX_LOG_LINE, MAX_LOG_LINES } from '../base/limits.js'
import { abridged } from '../base/listing.js'
import type { YuvMatrix, YuvRange } from '../image/yuv.js'

/** What ffmpeg tells of a stream before its first frame. */
export interface StreamFacts {
  readonly codec: string
  /** Size of frames as they are read. */
  readonly width: number
  readonly height: number
  readonly matrix: YuvMatrix
  readonly range: YuvRange
  /** Frames a second, as the file says; null where it does not. */
  readonly frameRate: number | null
  /** Seconds; null for what has no end. */
  readonly duration: number | null
}

/** Splits what arrives in pieces into lines, of which none grows without bound. */
export class Lines {
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(text: string): void {
    const lines = (this.#rest + text).split(/[\r\n]+/)
    this.#rest = lines.pop()!.slice(0, MAX_LOG_LINE)
    for (const line of lines) if (line !== '') this.#onLine(line.slice(0, MAX_LOG_LINE))
  }
}

/** Reads ffmpeg's log, which has facts that it tells nowhere else, and why it fails. */
export class Log {
  readonly #secrets: readonly string[]
  readonly #errors: string[] = []
  #errorCount = 0
  #duration: number | null = null
  /** Lines of the input's streams, by number. */
  readonly #inputs = new Map<string, string>()
  #mapped: string | null = null
  #isOutput = false
  #facts: StreamFacts | null = null
  readonly #lines = new Lines((line) => this.#read(line))

  constructor(secrets: readonly string[]) {
    this.#secrets = [...secrets].sort((a, b) => b.length - a.length)
  }

  push(text: string): void {
    this.#lines.push(text)
  }

  get facts(): StreamFacts | null {
    return this.#facts
  }

  /** Lines that told of faults. */
  get errorCount(): number {
    return this.#errorCount
  }

  /** Why ffmpeg failed: the last faults that it told of. */
  get reason(): string | null {
    return this.#errors.length === 0 ? null : this.#errors.slice(-3).join('; ')
  }

  #read(line: string): void {
    const [, level, text] = /^(?:\[[^\]]* @ [^\]]*\] )*\[(\w+)\] ?(.*)$/.exec(line) ?? [null, 'info', line]
    if (level === 'error' || level === 'fatal' || level === 'panic') this.#keepError(text!)
    else if (this.#facts === null) this.#readFact(text!)
  }

  #keepError(text: string): void {
    this.#errorCount++
    let open = text
    for (const secret of this.#secrets) open = open.replaceAll(secret, '…')
    // Each fault once, however often it is told.
    const line = abridged(open.trim().replace(/[.:]+$/, ''))
    if (line === '' || this.#errors.includes(line)) return
    this.#errors.push(line)
    if (this.#errors.length > MAX_LOG_LINES) this.#errors.shift()
  }

  #readFact(text: string): void {
    const duration = /^ *Duration: (\d+):(\d+):([\d.]+),/.exec(text)
    if (duration !== null) {
      const [hours, minutes, seconds] = duration.slice(1).map(Number)
      this.#duration = 3600 * hours + 60 * minutes + seconds
    }
    if (/^Output #0,/.test(text)) this.#isOutput = true
    this.#mapped ??= /^ *Stream #0:(\d+) -> #0:0 /.exec(text)?.[1] ?? null
    const stream = /^ *Stream #0:(\d+)[^ ]*: Video: (.*)$/.exec(text)
    if (stream === null) return
    if (this.#isOutput) this.#facts = this.#factsOf(stream[2])
    else this.#inputs.set(stream[1], stream[2])
  }

  #factsOf(output: string): StreamFacts | null {
    const size = /, (\d+)x(\d+)/.exec(output)
    if (size === null) return null
    const input = this.#inputs.get(this.#mapped ?? '0') ?? ''
    const inputSize = /, (\d+)x(\d+)/.exec(input)
    const frameRate = Number(/, ([\d.]+)(k?) fps/.exec(input)?.[1])
    return {
      codec: abridged(/^\w+/.exec(input)?.[0] ?? 'unknown'),
      width: Number(size[1]),
      height: Number(size[2]),
      ...coloursOf(input, { width: Number(inputSize?.[1]), height: Number(inputSize?.[2]) }),
      frameRate: frameRate > 0 ? frameRate : null,
      duration: this.#duration,
    }
  }
}

/** The matrix and range of a stream, from `yuv420p(tv, bt709, progressive)` in ffmpeg's description of it. */
function coloursOf(
  description: string,
  { width, height }: { readonly width: number; readonly height: number },
): { readonly matrix: YuvMatrix; readonly range: YuvRange } {
  const [, format = '', told = ''] = /, (\w+)(?:\(([^)]*)\))?(?:, \d+x\d+|$)/.exec(description) ?? []
  // ffmpeg makes luma and chroma of RGB, by its own default.
  if (/^(?:rgb|bgr|gbr|argb|abgr|0rgb|0bgr|pal)/.test(format)) return { matrix: 'bt601', range: 'limited' }
  const words = told.split(', ')
  const range = words.includes('pc') || format.startsWith('yuvj') ? 'full' : 'limited'
  // Matrix, primaries and transfer, or one name for all three.
  const space = words.map((word) => word.split('/')[0]).find((word) => word in MATRICES)
  // What says nothing is taken as players take it.
  const usual = width >= 1280 || height > 576 ? 'bt709' : 'bt601'
  return { matrix: space === undefined ? usual : MATRICES[space], range }
}

const MATRICES: Readonly<Record<string, YuvMatrix>> = {
  bt709: 'bt709',
  bt470bg: 'bt601',
  smpte170m: 'bt601',
  fcc: 'bt601',
  smpte240m: 'bt709',
  bt2020nc: 'bt2020',
  bt2020c: 'bt2020',
}
