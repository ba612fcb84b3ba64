import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openVideo } from '#lib/video.js'
import { clip, hasFfmpeg, picture, probe } from '../helpers/ffmpeg.js'
import { hasShared, shared } from '../helpers/shared.js'

const CLIPS = hasShared ? readdirSync(shared('data/video')).filter((name) => name.endsWith('.mp4')) : []

async function expectTimesOf(path: string): Promise<number[]> {
  const { timeBase, frames } = probe(path)
  const [numerator, denominator] = timeBase.split('/').map(Number)
  await using video = await openVideo(path)
  const found: { pts: number; time: number }[] = []
  for await (const { context } of video) {
    expect(context.timeBase).toEqual([numerator, denominator])
    expect(context.index).toBe(found.length)
    found.push({ pts: context.pts, time: context.time })
    context.release()
  }
  const pts = frames.map((frame) => frame.best_effort_timestamp)
  expect(found).toEqual(pts.map((each) => ({ pts: each, time: (each * numerator) / denominator })))
  return pts
}

describe.runIf(hasFfmpeg)("the times of a file's frames are those that ffprobe tells", () => {
  it.each(CLIPS)('of %s', async (name) => {
    expect((await expectTimesOf(shared(`data/video/${name}`))).length).toBeGreaterThan(20)
  })

  it('where the frame rate varies', async () => {
    const times = 'setpts=PTS+mod(N*N\\,7)*900'
    const path = await clip(
      'vfr.mp4',
      ...picture('64x48', 2),
      '-vf',
      times,
      '-fps_mode',
      'vfr',
      '-c:v',
      'libx264',
    )
    const pts = await expectTimesOf(path)
    expect(new Set(pts.slice(1).map((each, i) => each - pts[i])).size).toBeGreaterThan(3)
  })

  it('with B-frames, from an edit list', async () => {
    const coding = ['-c:v', 'libx264', '-bf', '3', '-x264-params', 'b-adapt=0']
    const pts = await expectTimesOf(await clip('b.mp4', ...picture('64x48', 2), ...coding))
    expect(pts).toHaveLength(50)
  })

  it.each(['ts', 'mkv'])('with B-frames in .%s, whose clock may begin later', async (extension) => {
    const coding = ['-c:v', 'mpeg4', '-bf', '2']
    expect(await expectTimesOf(await clip(`b.${extension}`, ...picture('64x48', 1), ...coding))).toHaveLength(
      25,
    )
  })
})
