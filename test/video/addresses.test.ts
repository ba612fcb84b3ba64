import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openVideo, type Video } from '#lib/video.js'
import { clip, hasFfmpeg, picture } from '../helpers/ffmpeg.js'
import { refusal } from '../helpers/refusal.js'
import { freePort } from '../helpers/rtsp.js'

/** Serves a folder over HTTP. @returns its address */
async function serve(folder: string): Promise<string> {
  const server = createServer(async (request, response) => {
    const path = join(folder, basename(request.url!.split('?')[0]))
    const stats = await stat(path).catch(() => null)
    if (stats === null) return response.writeHead(404).end()
    response.writeHead(200, { 'content-length': stats.size })
    return createReadStream(path).pipe(response)
  })
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

describe.runIf(hasFfmpeg)('an address', () => {
  it.each([
    ['an MP4', 'a.mp4', ['-movflags', '+faststart']],
    ['a playlist of HLS', 'a.m3u8', ['-f', 'hls', '-hls_time', '1', '-hls_playlist_type', 'vod', '-g', '25']],
  ])('of HTTP with %s that has an end loses no frame', async (_, name, coding) => {
    const path = await clip(name, ...picture('64x48', 3), ...coding)
    const url = `${await serve(dirname(path))}/${name}?token=secret`
    await using video = await openVideo(url)
    expect(video).toMatchObject({ live: false, width: 64 })
    expect(video.name).not.toContain('secret')
    let frames = 0
    for await (const { context } of video) {
      context.release()
      frames++
    }
    expect(frames).toBe(75)
  })

  it('of HTTP with nothing there is told', async () => {
    const path = await clip('a.mp4', ...picture('64x48', 0.1))
    const opening = openVideo(`${await serve(dirname(path))}/b.mp4`)
    await expect(opening).rejects.toEqual(refusal('ERR_VIDEO', /b\.mp4 cannot be read \(.*404/))
  })

  it('of RTMP is live', async () => {
    const url = `rtmp://127.0.0.1:${await freePort()}/live/door`
    const source = ['-re', '-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=25']
    const coding = ['-c:v', 'libx264', '-tune', 'zerolatency', '-g', '10', '-pix_fmt', 'yuv420p']
    // A server of one client, which says when it listens by nothing else than listening.
    const server = spawn('ffmpeg', ['-v', 'error', ...source, ...coding, '-f', 'flv', '-listen', '1', url], {
      stdio: 'ignore',
    })
    onTestFinished(() => void server.kill('SIGKILL'))
    let video: Video | null = null
    while (video === null) {
      video = await openVideo(url, { reconnect: 'never' }).catch((error: Error) => {
        expect(error.message).toMatch(/refused/)
        return null
      })
    }
    const opened = video
    onTestFinished(() => opened.close())
    expect(video).toMatchObject({ live: true, width: 64, codec: 'h264' })
    expect((await video.next()).value!.source.data).toHaveLength(64 * 48 * 1.5)
  })
})
