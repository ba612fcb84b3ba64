import { EfficientDetError } from '../base/errors.js'
import { inspect } from '../base/inspect.js'
import { checkVideoOptions, type VideoOptions, type VideoSettings } from '../options/video.js'
import { Decoder, type Run } from './decoder.js'
import { findFfmpeg } from './ffmpeg.js'
import { chooseDecoder, commandRun, type DecoderReport, ffmpegRun } from './ffmpeg-run.js'
import { FrameMemory } from './frame-memory.js'
import { Reconnection } from './reconnection.js'
import { inputOf, isCommand, type VideoSource } from './source.js'
import { openingPatience, Video } from './video.js'

/**
 * Opens a video: its frames come in order, each with its exact time. Files lose none.
 *
 * Where a source is live the newest frame wins, and a source that is lost is opened again.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_VIDEO, ERR_FFMPEG; the signal's reason
 */
export async function openVideo(source: VideoSource, options: VideoOptions = {}): Promise<Video> {
  const settings = checkVideoOptions(options)
  settings.signal?.throwIfAborted()
  if (inspect('the source', () => isCommand(source))) {
    const run = inspect('the source', () => commandRun(source as never, settings))
    return open(run, settings, { name: 'command', reason: null })
  }
  const input = await inputOf(source as string | URL, settings)
  const ffmpeg = await findFfmpeg(settings.ffmpeg)
  const report = await chooseDecoder(ffmpeg, settings)
  const run = ffmpegRun(ffmpeg, input, settings, report.name)
  try {
    return await open(run, settings, report)
  } catch (error) {
    settings.signal?.throwIfAborted()
    if (report.name !== 'nvdec' || settings.decoder === 'nvdec') throw error
    // A GPU that is there may still not decode: a driver's version, sessions, the codec.
    const reason = error instanceof EfficientDetError ? error.message : String(error)
    return open(ffmpegRun(ffmpeg, input, settings, 'software'), settings, { name: 'software', reason })
  }
}

async function open(run: Run, settings: VideoSettings, report: DecoderReport): Promise<Video> {
  const { signal } = settings
  const memory = new FrameMemory(settings.memory)
  const reconnection = new Reconnection(settings)
  if (settings.reconnect === 'always' && run.live) {
    const { decoder, facts } = await reconnection.connect(run, memory, signal ?? new AbortController().signal)
    return new Video({ run, settings, report, decoder, facts, memory, reconnection })
  }
  const decoder = new Decoder(run, memory)
  try {
    const facts = await decoder.open(signal, openingPatience(run, settings))
    return new Video({ run, settings, report, decoder, facts, memory, reconnection })
  } catch (error) {
    await decoder.end()
    throw error
  }
}
