import { describe, expect, it } from 'vitest'
import { Log } from '#lib/video/log.js'

/** What ffmpeg prints of an input of a description. */
function factsOf(description: string, duration = '00:01:02.50'): Log['facts'] {
  const log = new Log([])
  log.push(
    [
      "[info] Input #0, mov,mp4, from 'a.mp4':",
      `[info]   Duration: ${duration}, start: 0.000000, bitrate: 1 kb/s`,
      '[info]   Stream #0:0[0x1](und): Audio: aac (LC), 48000 Hz, stereo',
      `[info]   Stream #0:1[0x2](und): Video: ${description}`,
      '[info] Stream mapping:',
      '[info]   Stream #0:1 -> #0:0 (h264 (native) -> rawvideo (native))',
      "[info] Output #0, rawvideo, to 'pipe:1':",
      '[info]   Stream #0:0(und): Video: rawvideo (NV12 / 0x3231564E), nv12(tv), 640x360 [SAR 1:1], q=2-31, 25 fps',
      '',
    ].join('\n'),
  )
  return log.facts
}

describe("ffmpeg's log", () => {
  it.each([
    ['h264 (High) (avc1 / 0x31), yuv420p(tv, bt709, progressive), 1280x720, 30 fps', 'bt709', 'limited'],
    ['h264 (High), yuv420p(pc, smpte170m/unknown/unknown), 1280x720, 30 fps', 'bt601', 'full'],
    ['hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/smpte2084), 3840x2160, 30 fps', 'bt2020', 'limited'],
    ['mjpeg (Baseline), yuvj420p(pc, bt470bg/unknown/unknown), 1920x1080, 30 fps', 'bt601', 'full'],
    ['mjpeg, yuvj422p, 64x48, 30 fps', 'bt601', 'full'],
    ['h264 (High), yuv420p(progressive), 1280x720 [SAR 1:1 DAR 16:9], 30 fps', 'bt709', 'limited'],
    ['h264 (High), yuv420p, 720x576, 30 fps', 'bt601', 'limited'],
    ['png, rgb24(pc), 1920x1080, 30 fps', 'bt601', 'limited'],
  ])('tells of %s', (description, matrix, range) => {
    expect(factsOf(description)).toEqual({
      codec: description.match(/^\w+/)![0],
      ...{ width: 640, height: 360, frameRate: 30, duration: 62.5, matrix, range },
    })
  })

  it('tells of what has no end and no rate', () => {
    expect(factsOf('h264, yuv420p, 64x48, 90k tbn', 'N/A')).toMatchObject({ duration: null, frameRate: null })
  })

  it('arrives in pieces, and holds neither secrets nor more than is needed', () => {
    const log = new Log(['hunter2'])
    log.push('[tcp @ 0x1] [err')
    log.push('or] no luck with hunter2 at rtsp://u:hunter2@host/x?t=1\n[error] ')
    log.push('x'.repeat(1e6))
    log.push('\n')
    for (let i = 0; i < 1000; i++) log.push(`[h264 @ 0x2] [error] fault ${i % 100}\n`)
    expect(log.errorCount).toBe(1002)
    expect(log.reason).toMatch(/^fault \d+; fault \d+; fault \d+$/)
    const first = new Log(['hunter2'])
    first.push('[tcp @ 0x1] [error] no luck with hunter2 at rtsp://u:hunter2@host/x?t=1\n')
    expect(first.reason).toMatch(/^no luck with … at rtsp:\/\/host\/x/)
  })
})
