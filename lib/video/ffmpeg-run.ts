import { EfficientDetError } from '../base/errors.js'
import type { VideoSettings } from '../options/video.js'
import type { Run } from './decoder.js'
import { type Ffmpeg, nvdecObstacle } from './ffmpeg.js'
import type { StreamFacts } from './log.js'
import { checkCommand, commandName, type FrameCommand, type Input } from './source.js'

/** What decodes, and why not a GPU. */
export interface DecoderReport {
  readonly name: 'nvdec' | 'software' | 'command'
  /** Why NVDEC was not used; null where it is, or nobody asked for it. */
  readonly reason: string | null
}

/** @throws EfficientDetError ERR_VIDEO where NVDEC was demanded and is not there; ERR_FFMPEG */
export async function chooseDecoder(ffmpeg: Ffmpeg, { decoder }: VideoSettings): Promise<DecoderReport> {
  if (decoder === 'software') return { name: 'software', reason: null }
  const obstacle = await nvdecObstacle(ffmpeg)
  if (obstacle === null) return { name: 'nvdec', reason: null }
  if (decoder === 'auto') return { name: 'software', reason: obstacle }
  throw new EfficientDetError(
    'ERR_VIDEO',
    `decoder is "nvdec", and ${obstacle}. Leave it out to decode on the CPU.`,
  )
}

/** How ffmpeg is run for a source: frames to standard output, their times to file descriptor 3. */
export function ffmpegRun(
  ffmpeg: Ffmpeg,
  input: Input,
  settings: VideoSettings,
  decoder: DecoderReport['name'],
): Run {
  const { start, duration } = settings
  const isLive = settings.live ?? input.live
  const pick = pickFilter(settings)
  const passthrough = ['-map', '0:V:0', '-fps_mode', 'passthrough', '-enc_time_base', '-1']
  const args = [
    ...['-hide_banner', '-nostats', '-loglevel', 'repeat+level+info'],
    ...(input.readsStdin ? [] : ['-nostdin']),
    // A live stream's clock may jump, which ffmpeg then mends; a file's times are what they are.
    ...(isLive === false ? ['-copyts'] : []),
    ...(decoder === 'nvdec' ? ['-hwaccel', 'cuda'] : []),
    // A thread more is a frame more of delay.
    ...(isLive === true ? ['-threads', '1'] : []),
    ...(start > 0 ? ['-ss', String(start)] : []),
    ...(duration !== null ? ['-t', String(duration)] : []),
    ...input.args,
    ...['-i', input.url],
    ...passthrough,
    ...['-vf', [...pick, scaleFilter(settings)].join(',')],
    ...['-pix_fmt', 'nv12', '-f', 'rawvideo', 'pipe:1'],
    ...passthrough,
    ...(pick.length > 0 ? ['-vf', pick.join(',')] : []),
    ...['-c:v', 'wrapped_avframe', '-f', 'framecrc', '-flush_packets', '1', 'pipe:3'],
  ]
  return {
    file: ffmpeg.path,
    args,
    name: input.name,
    secrets: input.secrets,
    readsStdin: input.readsStdin,
    format: 'nv12',
    address: input.address,
    facts: null,
    frameBytes: ({ width, height }) => width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2),
    live: isLive === true,
    isLive: (facts) => isLive ?? facts.duration === null,
  }
}

/** Filters that choose frames, and leave their times as they are. */
function pickFilter({ every, fps }: VideoSettings): string[] {
  const picks = [
    ...(every > 1 ? [`not(mod(n\\,${every}))`] : []),
    // The first frame of each interval; a thousandth forgives rounded times.
    ...(fps === null
      ? []
      : [`isnan(prev_selected_t)+gt(floor(t*${fps}+.001)\\,floor(prev_selected_t*${fps}+.001))`]),
  ]
  return picks.map((pick) => `select=${pick}`)
}

/** Samples keep their range: swscale is told that it is the same before and after. */
function scaleFilter({ scale }: VideoSettings): string {
  const range = 'in_range=tv:out_range=tv'
  if (scale === null) return `scale=${range}`
  const { width = -2, height = -2 } = scale
  return `scale=w=${width}:h=${height}:flags=bilinear:${range}`
}

const BYTES_PER_PIXEL = { rgb: 3, rgba: 4, bgr: 3, bgra: 4, grey: 1 } as const

/** How a command of the caller's is run. @throws EfficientDetError ERR_INVALID_OPTION */
export function commandRun(source: FrameCommand, { live }: VideoSettings): Run {
  const checked = checkCommand(source)
  const { command, format, width, height, matrix = 'bt601', range = 'limited' } = checked
  const [file, ...args] = command
  const facts: StreamFacts = { codec: 'raw', width, height, matrix, range, frameRate: null, duration: null }
  const chroma = 2 * Math.ceil(width / 2) * Math.ceil(height / 2)
  const bytes =
    format === 'nv12' || format === 'i420'
      ? width * height + chroma
      : width * height * BYTES_PER_PIXEL[format]
  return {
    ...{ file, args, facts },
    name: commandName(checked),
    secrets: [],
    readsStdin: false,
    format,
    address: null,
    frameBytes: () => bytes,
    live: live ?? false,
    isLive: () => live ?? false,
  }
}
