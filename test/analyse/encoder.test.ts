import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Encoder, type EncoderOptions, h264Of } from '#lib/analyse/encoder.js'
import { findFfmpeg } from '#lib/video/ffmpeg.js'
import { openVideo } from '#lib/video.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { clip, hasFfmpeg, picture, probe, rawFrames } from '../helpers/ffmpeg.js'
import { refusal } from '../helpers/refusal.js'
import { decoders } from '../helpers/watched.js'

async function options(path: string): Promise<Pick<EncoderOptions, 'ffmpeg' | 'codec' | 'path'>> {
  const ffmpeg = await findFfmpeg(null)
  return { ffmpeg, codec: await h264Of(ffmpeg), path }
}

async function copy(source: string, name: string, live = false): Promise<string> {
  const path = join(await temporaryFolder(), name)
  await using video = await openVideo(source)
  let encoder: Encoder | null = null
  for await (const { source: frame, context } of video) {
    encoder ??= new Encoder({ ...(await options(path)), frame, frameRate: video.frameRate, live })
    await encoder.write(frame, context.time)
    context.release()
  }
  await encoder!.end()
  expect(await readdir(dirname(path))).toEqual([name])
  return path
}

/** Seconds of a file's frames from its first. */
function seconds(path: string): number[] {
  const { timeBase, frames } = probe(path)
  const [numerator, denominator] = timeBase.split('/').map(Number)
  const times = frames.map((frame) => (frame.best_effort_timestamp * numerator) / denominator)
  return times.map((time) => time - times[0])
}

describe.runIf(hasFfmpeg)('an encoder', () => {
  it.each([
    ['a.mp4', false],
    ['a.mp4', true],
    ['a.mkv', false],
    ['a.ts', false],
  ] as const)(
    'writes %s (live: %s) with each frame at its own time, though these vary',
    async (name, live) => {
      const times = 'setpts=PTS+mod(N*N\\,7)*900'
      const source = await clip(
        'vfr.mp4',
        ...picture('64x48', 1),
        '-vf',
        times,
        '-fps_mode',
        'vfr',
        '-g',
        '5',
      )
      const [found, wanted] = [seconds(await copy(source, name, live)), seconds(source)]
      expect(found).toHaveLength(wanted.length)
      for (const [i, time] of found.entries()) expect(Math.abs(time - wanted[i])).toBeLessThan(1e-3)
    },
  )

  it.each([
    ['tv', 'bt709'],
    ['pc', 'bt709'],
    ['tv', 'smpte170m'],
  ])('keeps range %s and matrix %s, and the samples', async (range, space) => {
    const colours = ['-color_range', range, '-colorspace', space, '-pix_fmt', 'yuv420p', '-crf', '1']
    const source = await clip(
      'c.mp4',
      ...picture('64x48', 0.2),
      '-vf',
      `scale=out_range=${range}`,
      ...colours,
    )
    const path = await copy(source, 'a.mp4')
    await using video = await openVideo(path)
    const frame = (await video.next()).value!
    await using original = await openVideo(source)
    const first = (await original.next()).value!
    expect(frame.source).toMatchObject({ range: first.source.range, matrix: first.source.matrix })
    const filter = ['-frames:v', '1', '-vf', 'scale=in_range=tv:out_range=tv', '-pix_fmt', 'gray']
    const [a, b] = [rawFrames(path, ...filter), rawFrames(source, ...filter)]
    const difference = a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length
    expect(difference).toBeLessThan(3)
  })

  it('pads odd sizes, which H.264 cannot have', async () => {
    const source = await clip('odd.mkv', ...picture('35x27', 0.2), '-c:v', 'ffv1', '-pix_fmt', 'yuv420p')
    await using video = await openVideo(await copy(source, 'a.mp4'))
    expect(video).toMatchObject({ width: 36, height: 28 })
  })

  it('fails with a reason, and leaves nothing, where the file cannot be written or the program ends', async () => {
    const folder = await temporaryFolder()
    const frame = { data: new Uint8Array(96), format: 'nv12', width: 8, height: 8 } as const
    const made = await options(join(folder, 'a.mp4'))
    const failing = { ...made, codec: ['no-such-codec'], frame, frameRate: 25, live: false }
    const encoder = new Encoder(failing)
    await encoder.write(frame, 0).catch(() => {})
    await expect(encoder.end()).rejects.toEqual(
      refusal('ERR_OUTPUT', /a\.mp4 cannot be written \(.*no-such-codec/),
    )
    expect(await readdir(folder)).toEqual([])
    const lost = new Encoder({ ...failing, codec: made.codec, path: join(folder, 'missing', 'a.mp4') })
    await lost.write(frame, 0).catch(() => {})
    await expect(lost.end()).rejects.toEqual(refusal('ERR_OUTPUT', /missing.a\.mp4 cannot be written/))
  })

  it('tells of a program that is killed on the way', async () => {
    const folder = await temporaryFolder()
    const frame = { data: new Uint8Array(1.5 * 640 * 480), format: 'nv12', width: 640, height: 480 } as const
    const encoder = new Encoder({
      ...(await options(join(folder, 'a.mp4'))),
      frame,
      frameRate: 25,
      live: false,
    })
    await encoder.write(frame, 0)
    process.kill(decoders()[0].pid, 'SIGKILL')
    const writing = async () => {
      for (let i = 1; i < 1000; i++) await encoder.write(frame, i / 25)
    }
    await expect(writing()).rejects.toEqual(
      refusal('ERR_OUTPUT', /a\.mp4 cannot be written \(ended by SIGKILL\)/),
    )
    await expect(encoder.end()).rejects.toEqual(refusal('ERR_OUTPUT', /ended by SIGKILL/))
    expect(await readdir(folder)).toEqual([])
  })
})
