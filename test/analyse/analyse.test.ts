import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  analyse,
  annotatedVideo,
  csv,
  type FrameReport,
  jsonLines,
  mot,
  openVideo,
  type Sink,
} from '#lib/video.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { clip, hasFfmpeg, picture, probe } from '../helpers/ffmpeg.js'
import { refusal } from '../helpers/refusal.js'
import { comings, person, scripted } from '../helpers/scripted-detector.js'

/** A sink that keeps what it is given. */
function kept(): Sink & { readonly reports: FrameReport[] } {
  const reports: FrameReport[] = []
  return {
    reports,
    draws: false,
    write: (report) => {
      reports.push(report)
      return null
    },
    end: async () => {},
    close: async () => {},
    stats: { name: 'kept', written: 0, lost: 0, error: null },
  }
}

describe.runIf(hasFfmpeg)('analyse', () => {
  it('hands every frame of every file on, in order, with tracks and one end for each new', async () => {
    const paths = await Promise.all([
      clip('a.mp4', ...picture('320x240', 4)),
      clip('b.mp4', ...picture('320x240', 2)),
    ])
    const sink = kept()
    const detector = scripted(comings(10, 40))
    const streams = paths.map((source, i) => ({ source, name: `s${i}` }))
    const stats = await analyse({ streams, detector, sinks: [sink], track: { lostTime: 0.5 } })
    for (const [name, frames] of [
      ['s0', 100],
      ['s1', 50],
    ] as const) {
      const reports = sink.reports.filter(({ stream }) => stream === name)
      expect(
        reports.filter(({ events, detections }) => events.length === 0 || detections.length > 0),
      ).toBeTruthy()
      expect([...new Set(reports.map(({ index }) => index))]).toEqual(
        Array.from({ length: frames }, (_, i) => i),
      )
      const events = reports.flatMap(({ events }) => events)
      const ids = (type: string) =>
        events.filter((event) => event.type === type).map(({ after }) => after.trackId)
      expect(ids('new')).toHaveLength(frames / 50)
      expect(ids('end').sort()).toEqual(ids('new').sort())
    }
    expect(stats.streams).toMatchObject([
      { name: 's0', state: 'ended', frames: 100, failed: 0, dropped: 0, queue: 0, total: 100 },
      { name: 's1', state: 'ended', frames: 50, failed: 0, dropped: 0, queue: 0, total: 50 },
    ])
  })

  it('writes annotated video, JSON lines, CSV and MOT, all frames of them', async () => {
    const source = await clip('a.mp4', ...picture('320x240', 2))
    const folder = await temporaryFolder()
    const path = (name: string) => join(folder, name)
    const zones = {
      zones: [
        {
          name: 'door',
          points: [
            [0, 0],
            [320, 0],
            [320, 240],
            [0, 240],
          ] as const,
        },
      ],
    }
    const sinks = [
      await annotatedVideo(path('{stream}.mp4')),
      ...[jsonLines(path('a.jsonl')), csv(path('a.csv')), mot(path('a.txt'))],
    ]
    const detector = scripted((index) => [person(20 + 2 * index, 60)])
    const stats = await analyse({ streams: [{ source, name: 'a/b' }], detector, zones, sinks })
    expect(stats.sinks.map(({ lost, error }) => ({ lost, error }))).toEqual(
      Array(4).fill({ lost: 0, error: null }),
    )
    expect((await readdir(folder)).sort()).toEqual(['a.csv', 'a.jsonl', 'a.txt', 'a_b.mp4'])
    const lines = (await readFile(path('a.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[30]).toMatchObject({
      stream: 'a/b',
      index: 30,
      time: 1.2,
      detections: [{ trackId: 0, label: 'person' }],
    })
    expect(lines.at(-1).events).toMatchObject([{ type: 'end' }])
    expect(lines.at(-1).counts.zones.door).toMatchObject({ entered: 1, left: 1 })
    const rows = (await readFile(path('a.csv'), 'utf8')).trim().split('\n')
    expect(rows).toHaveLength(51)
    expect(rows[31]).toBe('a/b,30,1.2000,0,person,0.9000,80.00,60.00,100.00,100.00')
    expect((await readFile(path('a.txt'), 'utf8')).split('\n')[29]).toMatch(
      /^\d+,1,\d+\.00,60\.00,20\.00,40\.00,0\.9000,-1,-1,-1$/,
    )
    expect(probe(path('a_b.mp4')).frames).toHaveLength(50)
    // The box is where it was found: the colour of track 0, on its lower edge.
    await using video = await openVideo(path('a_b.mp4'), { start: 1.2 })
    const { source: frame } = (await video.next()).value!
    const chroma = 320 * 240 + 49 * 320 + 90
    expect(frame.data[chroma + 1]).toBeGreaterThan(190)
  })

  it('goes on with the others where one stream fails, and says why', async () => {
    const good = await clip('a.mp4', ...picture('64x48', 1))
    const streams = [good, 'missing.mp4']
    const stats = await analyse({ streams, detector: scripted(() => []) })
    expect(stats.streams).toMatchObject([
      { state: 'ended', frames: 25 },
      { state: 'failed', frames: 0, reason: expect.stringMatching(/missing\.mp4 cannot be read/) },
    ])
    const all = analyse({ streams: ['missing.mp4'], detector: scripted(() => []) })
    await expect(all).rejects.toEqual(refusal('ERR_VIDEO', /missing\.mp4/))
  })

  it('brings files to their end when it is aborted', async () => {
    const source = await clip('a.mp4', ...picture('320x240', 60))
    const folder = await temporaryFolder()
    const controller = new AbortController()
    const detector = scripted((index) => {
      if (index === 40) controller.abort(new Error('enough'))
      return [person(20, 20)]
    })
    const sink = kept()
    const sinks = [await annotatedVideo(join(folder, 'a.mp4')), sink]
    await expect(analyse({ streams: [source], detector, sinks, signal: controller.signal })).rejects.toThrow(
      'enough',
    )
    expect(await readdir(folder)).toEqual(['a.mp4'])
    expect(probe(join(folder, 'a.mp4')).frames.length).toBeGreaterThan(30)
    expect(sink.reports.at(-1)!.events).toMatchObject([{ type: 'end' }])
  })

  it('is not held up by a sink that fails, and counts what it loses', async () => {
    const source = await clip('a.mp4', ...picture('64x48', 1))
    const missing = join(await temporaryFolder(), 'missing', 'a.csv')
    const stats = await analyse({
      streams: [source],
      detector: scripted(() => [person(1, 1)]),
      sinks: [csv(missing)],
    })
    expect(stats.streams[0].frames).toBe(25)
    expect(stats.sinks[0]).toMatchObject({
      error: refusal('ERR_OUTPUT', /a\.csv cannot be written .*ENOENT/),
    })
  })

  it('refuses options that are none', async () => {
    const detector = scripted(() => [])
    const refused = (options: object, message: RegExp) =>
      expect(analyse({ streams: ['a.mp4'], detector, ...options } as never)).rejects.toEqual(
        refusal('ERR_INVALID_OPTION', message),
      )
    await refused({ streams: [] }, /streams is a list of 0/)
    await refused({ streams: ['a', 'a'] }, /a text that no other stream has/)
    await refused({ streams: [{ source: 'a', fsp: 3 }] }, /no option "fsp"/)
    await refused({ detector: {} }, /what EfficientDet\.load gave/)
    await refused({ zones: { zones: 3 } }, /zones is 3/)
    await refused({ track: { algorithm: 'x' } }, /algorithm is "x"/)
    await refused({ sink: [] }, /Did you mean sinks/)
  })
})
