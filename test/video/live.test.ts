import { describe, expect, it } from 'vitest'
import { openVideo } from '#lib/video.js'
import { hasFfmpeg } from '../helpers/ffmpeg.js'
import { refusal } from '../helpers/refusal.js'
import { Camera, freePort, hasRtspServer } from '../helpers/rtsp.js'
import { decoders, Watched } from '../helpers/watched.js'

describe.runIf(hasFfmpeg && hasRtspServer)('a camera', () => {
  it('gives frames whose times only grow, the newest first where one is slow', async () => {
    const camera = await Camera.start()
    await using video = await openVideo(camera.url)
    expect(video).toMatchObject({ live: true, width: 64, height: 48, codec: 'h264', duration: null })
    expect(video.name).not.toContain('secret')
    const first = await video.next()
    expect(first.value!.context.time).toBe(0)
    let last = first.value!.context
    while (video.stats.dropped === 0) {
      // Nobody takes frames meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 300))
      const { context } = (await video.next()).value!
      expect(context.time).toBeGreaterThan(last.time)
      expect(context.index).toBeGreaterThan(last.index)
      last = context
    }
    expect(video.stats).toEqual({
      frames: expect.any(Number),
      dropped: expect.any(Number),
      reconnections: 0,
      faults: 0,
    })
  })

  it('comes back when its server does, and its clock goes on', async () => {
    const camera = await Camera.start()
    const watched = await Watched.open(camera.url, { timeout: 5 })
    await watched.until(() => watched.frames > 5)
    await camera.kill()
    await watched.until(() => watched.count('lost') > 0)
    const { time, index } = watched.last!
    await camera.start()
    await watched.back()
    expect(watched.last!.index).toBeGreaterThan(index)
    expect(watched.last!.time).toBeGreaterThan(time)
    expect(watched.video.stats.reconnections).toBeGreaterThan(0)
    expect(JSON.stringify(watched.statuses)).not.toContain('secret')
    await watched.video.close()
    expect(decoders()).toEqual([])
  })

  it('is given up and opened again when it freezes', async () => {
    const camera = await Camera.start()
    const watched = await Watched.open(camera.url, { timeout: 0.5 })
    await watched.until(() => watched.frames > 5)
    camera.freeze()
    await watched.until(() => watched.count('lost') > 0)
    expect(watched.statuses[0]).toMatchObject({ reason: expect.stringMatching(/gave no frame for 0\.5 s/) })
    camera.thaw()
    await watched.back()
  })

  it('comes back when its decoder is killed', async () => {
    const camera = await Camera.start()
    const watched = await Watched.open(camera.url)
    await watched.until(() => watched.frames > 0)
    process.kill(decoders()[0].pid, 'SIGKILL')
    await watched.back()
  })

  it('is awaited from the beginning, if that is wanted', async () => {
    const port = await freePort()
    const url = `rtsp://127.0.0.1:${port}/live`
    await expect(openVideo(url)).rejects.toEqual(refusal('ERR_VIDEO', /cannot be read \(.*refused/))
    const controller = new AbortController()
    const opening = openVideo(url, { reconnect: 'always', signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(opening).rejects.toThrow('enough')
  })

  it('ends for good where it shall not be tried again', async () => {
    const camera = await Camera.start()
    const watched = await Watched.open(camera.url, { reconnect: 'never' })
    await watched.until(() => watched.frames > 0)
    await camera.kill()
    for (;;) if ((await watched.video.next().catch(() => ({ done: true }))).done) break
    expect(decoders()).toEqual([])
  })
})
