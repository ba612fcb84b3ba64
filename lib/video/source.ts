import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EfficientDetError } from '../base/errors.js'
import { MAX_VIDEO_SIDE } from '../base/limits.js'
import { abridged, redacted } from '../base/listing.js'
import { FileProblem, openFile } from '../base/open-file.js'
import { PIXEL_FORMATS, type PixelFormat } from '../image/frame.js'
import { YUV_MATRICES, YUV_RANGES, type YuvMatrix, type YuvRange } from '../image/yuv.js'
import { checkInteger, checkNames, checkOneOf, checkPath, invalidOption } from '../options/checks.js'
import type { VideoSettings } from '../options/video.js'

/** A program that writes frames, one after the other without a gap, to its standard output. */
export interface FrameCommand {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly [string, ...string[]]
  readonly format: PixelFormat
  readonly width: number
  readonly height: number
  /** For `nv12` and `i420`; `bt601` by default. */
  readonly matrix?: YuvMatrix
  /** For `nv12` and `i420`; `limited` by default. */
  readonly range?: YuvRange
}

/**
 * Where frames come from:
 *
 * - a file's path or `file:` URL, an image sequence (`frames/%04d.png`, `frames/*.jpg`), or `-` for standard input
 * - an address: `rtsp:`, `rtmp:`, `http:` and the like, HLS included
 * - a camera: `/dev/video0`
 * - a command
 */
export type VideoSource = string | URL | FrameCommand

/** How ffmpeg is to open a source. */
export interface Input {
  /** What stands before `-i`. */
  readonly args: readonly string[]
  readonly url: string
  /** What people are told, without secrets. */
  readonly name: string
  /** Texts that nobody is told: what ffmpeg says of them is blotted out. */
  readonly secrets: readonly string[]
  /** Null where the stream itself tells, by having an end. */
  readonly live: boolean | null
  /** Where a server listens. */
  readonly address: { readonly host: string; readonly port: number } | null
  readonly readsStdin: boolean
}

const PORTS: Readonly<Record<string, number>> = { rtsp: 554, rtsps: 322, rtmp: 1935, rtmps: 443 }
const LIVE = new Set([...Object.keys(PORTS), 'udp', 'rtp', 'srt'])
const SCHEMES = new Set([...LIVE, 'http', 'https'])

/** What a picture needs of ffmpeg, to be one of a sequence. */
const SEQUENCE = /%0?\d*d|[*?]/

export function isCommand(source: VideoSource): source is FrameCommand {
  return typeof source === 'object' && !(source instanceof URL)
}

/** @throws EfficientDetError ERR_INVALID_OPTION for a kind that is not read, ERR_VIDEO for a file that is not there */
export async function inputOf(source: string | URL, settings: VideoSettings): Promise<Input> {
  const text = checkPath('source', source instanceof URL ? source.href : source)
  if (text === '-') return input({ url: 'pipe:0', name: 'standard input', readsStdin: true, live: false })
  const scheme = /^([a-z][a-z\d+.-]+):/i.exec(text)?.[1].toLowerCase()
  if (scheme === 'file') return fileInput(fileURLToPath(text), settings)
  if (scheme !== undefined && /^[a-z][a-z\d+.-]+:\/\//i.test(text)) return addressInput(text, scheme)
  if (/^\/dev\/video\d+$/.test(text)) {
    return input({ args: ['-f', 'v4l2'], url: text, name: text, live: true })
  }
  return fileInput(text, settings)
}

function input(facts: Partial<Input> & Pick<Input, 'url' | 'name'>): Input {
  return { args: [], secrets: [], live: null, address: null, readsStdin: false, ...facts }
}

function addressInput(text: string, scheme: string): Input {
  const name = redacted(text)
  if (!SCHEMES.has(scheme) || !URL.canParse(text)) {
    throw invalidOption('source', name, `a path, or a URL of ${[...SCHEMES].sort().join(', ')} or file`)
  }
  const { hostname, port, password, search } = new URL(text)
  const pieces = [password, search.slice(1)]
  const secrets = [...pieces, ...pieces.map(decoded)].filter((secret) => secret !== '')
  const host = hostname.replace(/^\[|\]$/g, '')
  const defaultPort = PORTS[scheme]
  return input({
    args: [...(scheme.startsWith('rtsp') ? ['-rtsp_transport', 'tcp'] : []), ...argsOf(scheme)],
    url: text,
    name,
    secrets: [text, ...secrets],
    live: LIVE.has(scheme) ? true : null,
    address: defaultPort === undefined ? null : { host, port: Number(port) || defaultPort },
  })
}

/** Reads a little before the first frame, not five seconds, and gives up a silent server by itself. */
function argsOf(scheme: string): string[] {
  if (!LIVE.has(scheme)) return ['-rw_timeout', '30000000']
  const timeout = scheme.startsWith('rtsp') ? ['-timeout', '10000000'] : []
  // Not `-fflags nobuffer`: it throws away what was read so far, and the next key frame may be seconds away.
  return [...timeout, '-fpsprobesize', '0', '-analyzeduration', '500000']
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

async function fileInput(path: string, { frameRate }: VideoSettings): Promise<Input> {
  // Nothing that a file names is fetched from elsewhere.
  const local = ['-protocol_whitelist', 'file,crypto,data']
  try {
    await using _ = await openFile(path)
    return input({ args: local, url: `file:${resolve(path)}`, name: path, live: false })
  } catch (error) {
    const isPattern = error instanceof FileProblem && error.obstacle === 'missing' && SEQUENCE.test(path)
    if (!isPattern)
      throw new EfficientDetError('ERR_VIDEO', `${path} ${(error as Error).message}.`, { cause: error })
  }
  const kind = /%0?\d*d/.test(path) ? 'sequence' : 'glob'
  const args = ['-f', 'image2', '-framerate', String(frameRate), '-pattern_type', kind]
  return input({ args: [...local, ...args], url: resolve(path), name: path, live: false })
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkCommand(source: FrameCommand): FrameCommand {
  checkNames('the source', source, ['command', 'format', 'width', 'height', 'matrix', 'range'])
  const { command, format, width, height, matrix, range } = source
  if (!Array.isArray(command) || command.length === 0 || !command.every((part) => typeof part === 'string')) {
    throw invalidOption('command', command, 'a list of a program and its arguments')
  }
  return {
    command: [checkPath('command', command[0]), ...command.slice(1)],
    format: checkOneOf('format', format, PIXEL_FORMATS),
    width: checkInteger('width', width, 1, MAX_VIDEO_SIDE),
    height: checkInteger('height', height, 1, MAX_VIDEO_SIDE),
    ...(matrix !== undefined && { matrix: checkOneOf('matrix', matrix, YUV_MATRICES) }),
    ...(range !== undefined && { range: checkOneOf('range', range, YUV_RANGES) }),
  }
}

/** What people are told of a command. */
export function commandName({ command }: FrameCommand): string {
  return abridged(command[0])
}
