import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openVideo, type VideoOptions } from '#lib/video.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { PERSON, ROOT } from '../helpers/cli.js'
import { FFMPEG_5_1, fakeFfmpeg } from '../helpers/fake-ffmpeg.js'
import { clip, hasFfmpeg, picture } from '../helpers/ffmpeg.js'
import { refusal } from '../helpers/refusal.js'
import { decoders } from '../helpers/watched.js'

async function count(path: string, options?: VideoOptions): Promise<number> {
  await using video = await openVideo(path, options)
  let frames = 0
  for await (const { context } of video) {
    frames++
    context.release()
  }
  return frames
}

describe.runIf(hasFfmpeg)('a file that is no video', () => {
  it.each(['README.md', 'package.json'])('is refused: %s', async (name) => {
    await expect(count(join(ROOT, name))).rejects.toEqual(
      refusal('ERR_VIDEO', /cannot be read \(.*Invalid data/),
    )
  })

  it('is refused where it has sound alone', async () => {
    const path = await clip('a.mp4', '-f', 'lavfi', '-i', 'sine=duration=1')
    await expect(count(path)).rejects.toEqual(refusal('ERR_VIDEO', /cannot be read \(.*matches no streams/))
  })

  it('is refused where it is empty', async () => {
    const path = join(await temporaryFolder(), 'a.mp4')
    await writeFile(path, '')
    await expect(count(path)).rejects.toEqual(refusal('ERR_VIDEO', /cannot be read/))
  })
})

describe.runIf(hasFfmpeg)('a video of an extreme size', () => {
  it.each([
    ['1x1', 'ffv1', 3],
    ['7680x4320', 'mpeg4', 7680 * 4320 * 1.5],
    ['1x2000', 'ffv1', 2000 + 2 * 1000],
  ])('is read: %s', async (size, codec, bytes) => {
    const path = await clip('a.mkv', ...picture(size, 0.12), '-c:v', codec, '-pix_fmt', 'yuv420p')
    await using video = await openVideo(path)
    for (let i = 0; i < 3; i++) expect((await video.next()).value!.source.data).toHaveLength(bytes)
    expect((await video.next()).done).toBe(true)
  })

  it('is refused where its frames are larger than any camera makes', async () => {
    const path = await clip(
      'a.mkv',
      '-f',
      'lavfi',
      '-i',
      'color=size=16000x8000:duration=0.04',
      '-c:v',
      'mjpeg',
    )
    const refused = refusal('ERR_VIDEO', /frames of 16000×8000, and 100000000 pixels are the most/)
    await expect(openVideo(path)).rejects.toEqual(refused)
    await using video = await openVideo(path, { scale: { width: 1600 } })
    expect(video).toMatchObject({ width: 1600, height: 800 })
  })

  it('is read of a single picture', async () => {
    expect(await count(PERSON)).toBe(1)
  })
})

describe('ffmpeg that', () => {
  const source = PERSON

  it('is missing is told', async () => {
    const opening = openVideo(source, { ffmpeg: '/no/such/ffmpeg' })
    await expect(opening).rejects.toEqual(
      refusal('ERR_FFMPEG', /ffmpeg is not there\. Install ffmpeg 5\.1 or newer/),
    )
  })

  it('is too old is told', async () => {
    const old = await fakeFfmpeg('ffmpeg version 4.4.2\\nlibavutil      56. 70.100 / 56. 70.100\\n')
    const opening = openVideo(source, { ffmpeg: old })
    await expect(opening).rejects.toEqual(refusal('ERR_FFMPEG', /is ffmpeg 4\.4\.2, which is too old/))
  })

  it('is something else is told', async () => {
    const opening = openVideo(source, { ffmpeg: await fakeFfmpeg('hello\\n') })
    await expect(opening).rejects.toEqual(refusal('ERR_FFMPEG', /does not say that it is ffmpeg/))
  })

  it.each([
    'exec sleep 1000',
    'trap "" TERM; sleep 1000',
    'yes "[info] nothing" >&2',
    'yes | head -c 1000; exec sleep 1000',
  ])('gives no frame, for it does "%s", is given up and ended', async (does) => {
    const ffmpeg = await fakeFfmpeg(FFMPEG_5_1, does)
    const opening = openVideo(source, { ffmpeg, timeout: 0.3 })
    await expect(opening).rejects.toEqual(refusal('ERR_VIDEO', /gave no frame for 0\.3 s/))
    expect(decoders()).toEqual([])
  })

  it.each([
    ['exit 0', /it holds no picture/],
    ['exit 3', /exit code 3/],
    ['kill -9 $$', /ended by SIGKILL/],
    ['echo "[error] no luck at rtsp://u:p@host/x" >&2; exit 1', /no luck at rtsp:\/\/host\/x/],
  ])('ends at once by %s is told', async (does, reason) => {
    const ffmpeg = await fakeFfmpeg(FFMPEG_5_1, does)
    await expect(openVideo(source, { ffmpeg })).rejects.toEqual(refusal('ERR_VIDEO', reason))
  })
})
