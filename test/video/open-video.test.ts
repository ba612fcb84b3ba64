import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openVideo, type VideoFrame, type VideoOptions, type VideoSource } from '#lib/video.js'
import { ROOT, run } from '../helpers/cli.js'
import { clip, hasFfmpeg, picture, probe, rawFrames } from '../helpers/ffmpeg.js'
import { refusal } from '../helpers/refusal.js'
import { decoders } from '../helpers/watched.js'

async function all(source: VideoSource, options?: VideoOptions): Promise<VideoFrame[]> {
  await using video = await openVideo(source, options)
  const frames: VideoFrame[] = []
  for await (const frame of video) frames.push(frame)
  return frames
}

const times = (frames: readonly VideoFrame[]) => frames.map(({ context }) => Number(context.time.toFixed(4)))

describe.runIf(hasFfmpeg)('openVideo', () => {
  it('gives the pixels that ffmpeg decodes, one frame after the other', async () => {
    const path = await clip('a.mp4', ...picture('66x50', 1), '-pix_fmt', 'yuv420p')
    const frames = await all(path)
    expect(
      Buffer.concat(frames.map(({ source }) => source.data)).equals(rawFrames(path, '-pix_fmt', 'nv12')),
    ).toBe(true)
    expect(frames[0].source).toMatchObject({
      format: 'nv12',
      width: 66,
      height: 50,
      matrix: 'bt601',
      range: 'limited',
    })
  })

  it('gives rows and columns of odd sizes', async () => {
    const path = await clip('odd.mkv', ...picture('35x27', 1), '-c:v', 'ffv1', '-pix_fmt', 'yuv420p')
    const frames = await all(path)
    expect(frames).toHaveLength(25)
    expect(frames[3].source).toMatchObject({ width: 35, height: 27 })
    expect(frames[3].source.data).toHaveLength(35 * 27 + 36 * 14)
  })

  it.each([
    ['limited', 'bt709', 'tv', 'bt709'],
    ['full', 'bt709', 'pc', 'bt709'],
    ['limited', 'bt601', 'tv', 'smpte170m'],
    ['limited', 'bt2020', 'tv', 'bt2020nc'],
  ])("tells the stream's %s range and %s, and leaves samples alone", async (range, matrix, told, space) => {
    const colours = ['-color_range', told, '-colorspace', space, '-pix_fmt', 'yuv420p']
    const path = await clip('c.mp4', ...picture('64x48', 0.2), '-vf', `scale=out_range=${told}`, ...colours)
    const [{ source }] = await all(path)
    expect(source).toMatchObject({ range, matrix })
    const planar = rawFrames(
      path,
      '-frames:v',
      '1',
      '-vf',
      'scale=in_range=tv:out_range=tv',
      '-pix_fmt',
      'yuv420p',
    )
    expect(Buffer.from(source.data.subarray(0, 64 * 48)).equals(planar.subarray(0, 64 * 48))).toBe(true)
  })

  it('takes full-range JPEG pictures of a sequence as they are, at the rate that is told', async () => {
    const first = await clip('p_%02d.jpg', ...picture('64x48', 1, 10), '-pix_fmt', 'yuvj420p')
    const frames = await all(first, { frameRate: 10 })
    expect(times(frames)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    expect(frames[0].source).toMatchObject({ matrix: 'bt601', range: 'full' })
    expect(await all(join(dirname(first), '*.jpg'), { frameRate: 10 })).toHaveLength(10)
  })

  it('keeps the size of the first frame where it changes', async () => {
    const parts = await Promise.all(['64x48', '96x64'].map((size) => clip('a.ts', ...picture(size, 1))))
    const path = await clip('first.ts', ...picture('64x48', 0.1))
    writeFileSync(path, Buffer.concat(parts.map((part) => readFileSync(part))))
    const frames = await all(path)
    expect(frames.length).toBe(probe(path).frames.length)
    expect(new Set(frames.map(({ source }) => source.data.length))).toEqual(new Set([64 * 48 * 1.5]))
  })

  it('chooses frames by fps, every, start and duration, with their own times', async () => {
    const path = await clip('a.mp4', ...picture('64x48', 4))
    const own = probe(path).frames.length
    expect(own).toBe(100)
    expect(times(await all(path, { every: 30 }))).toEqual([0, 1.2, 2.4, 3.6])
    expect(times(await all(path, { fps: 2 }))).toEqual([0, 0.52, 1, 1.52, 2, 2.52, 3, 3.52])
    expect(times(await all(path, { start: 3.8 }))).toEqual([3.8, 3.84, 3.88, 3.92, 3.96])
    expect(times(await all(path, { start: 1, duration: 0.1 }))).toEqual([1, 1.04, 1.08])
    expect(await all(path, { fps: 1000 })).toHaveLength(100)
  })

  it.each([
    [{ width: 32 }, 32, 24],
    [{ height: 96 }, 128, 96],
    [{ width: 50, height: 20 }, 50, 20],
  ])('scales to %o', async (scale, width, height) => {
    const path = await clip('a.mp4', ...picture('64x48', 0.2))
    const [{ source }] = await all(path, { scale })
    expect(source).toMatchObject({ width, height })
    expect(source.data).toHaveLength(width * height * 1.5)
  })

  it('reads standard input', async () => {
    const path = await clip('a.ts', ...picture('64x48', 1))
    const module = join(ROOT, 'dist', 'video.js')
    const body = `import { openVideo } from ${JSON.stringify(module)}
      let n = 0
      for await (const { context } of await openVideo('-')) n++
      console.log(n)`
    const { stdout } = await run('sh', [
      ...['-c', 'cat "$1" | "$2" --input-type=module --eval "$3"'],
      ...['sh', path, process.execPath, body],
    ])
    expect(stdout.trim()).toBe('25')
  })

  it('reads frames of a command', async () => {
    const path = await clip('a.mp4', ...picture('64x48', 1))
    const command = ['ffmpeg', '-v', 'error', '-i', path, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'] as const
    const frames = await all(
      { command: [...command], format: 'rgb', width: 64, height: 48 },
      { frameRate: 25 },
    )
    expect(times(frames).slice(0, 3)).toEqual([0, 0.04, 0.08])
    const bytes = Buffer.concat(frames.map(({ source }) => source.data))
    expect(bytes.equals(rawFrames(path, '-pix_fmt', 'rgb24'))).toBe(true)
  })

  it('takes its memory back from frames that are released, and from no others', async () => {
    const path = await clip('a.mp4', ...picture('64x48', 1))
    await using kept = await openVideo(path)
    const frames: VideoFrame[] = []
    for await (const frame of kept) frames.push(frame)
    expect(new Set(frames.map(({ source }) => source.data)).size).toBe(25)
    await using released = await openVideo(path)
    const seen = new Set<Uint8Array>()
    for await (const { source, context } of released) {
      seen.add(source.data as Uint8Array)
      context.release()
      context.release()
    }
    expect(seen.size).toBeLessThan(8)
  })

  it('takes memory that it is given, and other memory where there is none', async () => {
    const path = await clip('a.mp4', ...picture('64x48', 1))
    const own = new Set<Uint8Array>()
    const memory = ({ format, width, height }: { format: string; width: number; height: number }) => {
      expect({ format, width, height }).toEqual({ format: 'nv12', width: 64, height: 48 })
      if (own.size === 2) throw new Error('no more')
      const data = new Uint8Array(64 * 48 * 1.5)
      own.add(data)
      return { data }
    }
    const frames = await all(path, { memory })
    expect(frames).toHaveLength(25)
    expect(frames.filter(({ source }) => own.has(source.data))).toHaveLength(2)
  })

  it('ends ffmpeg when it is left, closed or aborted', async () => {
    const path = await clip('a.mp4', ...picture('320x240', 20))
    for await (const _ of await openVideo(path)) break
    expect(decoders()).toEqual([])

    const video = await openVideo(path)
    await video.next()
    await video.close()
    expect(decoders()).toEqual([])
    expect(await video.next()).toEqual({ done: true, value: undefined })

    const controller = new AbortController()
    const aborted = await openVideo(path, { signal: controller.signal })
    await aborted.next()
    controller.abort(new Error('enough'))
    await expect(aborted.next()).rejects.toThrow('enough')
    expect(decoders()).toEqual([])
  })

  it('ends while a frame is awaited', async () => {
    const command = ['sleep', '1000'] as const
    const video = await openVideo({ command: [...command], format: 'grey', width: 8, height: 8 })
    const next = video.next()
    await video.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  it('refuses what it cannot read, with a reason', async () => {
    const text = join(ROOT, 'README.md')
    await expect(openVideo(text)).rejects.toEqual(
      refusal('ERR_VIDEO', /README\.md cannot be read \(.*Invalid data/),
    )
    await expect(openVideo('missing.mp4')).rejects.toEqual(
      refusal('ERR_VIDEO', /missing\.mp4 cannot be read \(ENOENT/),
    )
    await expect(openVideo(ROOT)).rejects.toEqual(refusal('ERR_VIDEO', / is a folder/))
    await expect(openVideo('gopher://host/x')).rejects.toEqual(
      refusal('ERR_INVALID_OPTION', /a URL of http, .* or file/),
    )
    await expect(openVideo('')).rejects.toEqual(refusal('ERR_INVALID_OPTION', /source is ""/))
    await expect(openVideo(text, { evry: 5 } as never)).rejects.toEqual(
      refusal('ERR_INVALID_OPTION', /Did you mean every/),
    )
    const command = { command: [], format: 'nv12', width: 1, height: 1 }
    await expect(openVideo(command as never)).rejects.toEqual(
      refusal('ERR_INVALID_OPTION', /command is a list of 0/),
    )
    const missing = {
      command: ['./no-such-program'] as [string],
      format: 'grey',
      width: 1,
      height: 1,
    } as const
    await expect(openVideo(missing)).rejects.toEqual(
      refusal('ERR_VIDEO', /no-such-program cannot be read .*ENOENT/),
    )
  })

  it('tells no password, wherever it is quoted', async () => {
    const secret = 'h0rse%20battery'
    const error = await openVideo(`rtsp://admin:${secret}@127.0.0.1:1/live?token=staple`).catch(
      (error) => error,
    )
    expect(error).toEqual(refusal('ERR_VIDEO', /rtsp:\/\/127\.0\.0\.1:1\/live.* cannot be read .*refused/))
    expect(JSON.stringify(error) + error.stack).not.toMatch(/h0rse|battery|staple|admin/)
  })

  it('fetches nothing that a file names', async () => {
    const path = await clip('list.m3u8', ...picture('64x48', 1), '-f', 'hls')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^list\d.ts$/gm, 'http://127.0.0.1:1/$&'))
    expect(basename(path)).toBe('list.m3u8')
    await expect(all(path)).rejects.toEqual(refusal('ERR_VIDEO', /cannot be read/))
  })
})
