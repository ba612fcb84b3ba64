import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { derived } from '../fuzz/mutations.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet } from '../helpers/cli.js'
import { random } from '../helpers/random.js'
import { rounds } from '../helpers/rounds.js'
import { hasShared, shared } from '../helpers/shared.js'

const [walkers]: { frames: { rows: number[][] }[] }[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'tracking', 'sequences.json'), 'utf8'),
)

/** The seeded walkers in MOT's text; ids of ByteTrack and OC-SORT after each row. */
const ROWS = walkers.frames.flatMap(({ rows }, i) =>
  rows.map(([x1, y1, x2, y2, score, bytetrack, ocsort]) => {
    const box = [x1, y1, x2 - x1, y2 - y1].map((it) => it.toFixed(6))
    return { text: [i + 1, -1, ...box, score, -1, -1, -1].join(','), bytetrack, ocsort }
  }),
)
const MOT = ROWS.map(({ text }) => `${text}\n`).join('')

async function idsOf(file: string, ...options: string[]): Promise<number[]> {
  const { code, stdout, stderr } = await efficientdet(['track', file, ...options])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => Number(line.split(',')[1]))
}

describe('track', () => {
  it('prints the rows of MOT text with the ids of the reference', async () => {
    const file = await temporaryFile(MOT, 'det.txt')
    expect(await idsOf(file, '--fps', '25')).toEqual(ROWS.map(({ bytetrack }) => bytetrack))
    expect(await idsOf(file, '--fps', '25', '--tracker', 'ocsort')).toEqual(ROWS.map(({ ocsort }) => ocsort))
  })

  it('leaves numbers as they are, whatever ends lines', async () => {
    const file = await temporaryFile(
      '1,-1,1.50,2, 30,40.0,0.9\r\n1,5,100,2,30,40,.95,-1,-1,-1\r\n\r\n',
      'det.txt',
    )
    const { stdout } = await efficientdet(['track', file])
    expect(stdout).toBe('1,-1,1.50,2,30,40.0,0.9,-1,-1,-1\n1,-1,100,2,30,40,.95,-1,-1,-1\n')
  })

  it('reads JSON lines with the same ids', async () => {
    const lines = walkers.frames.map(({ rows }) => {
      const detections = rows.map(([x1, y1, x2, y2, score]) => {
        return { label: 'person', classId: 0, score, box: [x1, y1, x2, y2] }
      })
      return `${JSON.stringify({ source: 'a.jpg', width: 640, height: 480, detections })}\n`
    })
    const file = await temporaryFile(lines.join(''), 'detections.jsonl')
    expect(await idsOf(file, '--fps', '25')).toEqual(ROWS.map(({ bytetrack }) => bytetrack))
  })

  it('goes by the time that lines have, and by the frames that they have', async () => {
    const line = (extra: object) =>
      `${JSON.stringify({ ...extra, detections: [{ box: [0, 0, 9, 9], score: 0.9 }] })}\n`
    const times = [0, 0.1, 0.2, 0.3, 5, 5.1, 5.2].map((time) => line({ time }))
    const frames = [0, 1, 2, 3, 50, 51, 52].map((frame) => line({ frame }))
    for (const lines of [times, frames]) {
      const file = await temporaryFile(lines.join(''), 'detections.jsonl')
      expect(await idsOf(file, '--fps', '10')).toEqual([-1, 0, 0, 0, -1, 1, 1])
    }
  })

  it('reads the lines of video, the one of its end included', async () => {
    const line = (index: number, detections: object[]) =>
      `${JSON.stringify({ stream: 'a', index, time: index / 10, pts: index, detections, events: [] })}\n`
    const seen = [{ label: 'person', classId: 0, box: [0, 0, 9, 9], score: 0.9, trackId: null }]
    const lines = [line(0, seen), line(2, seen), line(4, seen), line(4, [])]
    const { code, stdout } = await efficientdet(['track', await temporaryFile(lines.join(''), 'lines.jsonl')])
    expect([code, stdout.split('\n').map((row) => row.slice(0, 4))]).toEqual([
      0,
      ['1,-1', '3,0,', '5,0,', ''],
    ])
    const others = [line(0, seen), line(1, seen).replace('"a"', '"b"')]
    const refused = await efficientdet(['track', await temporaryFile(others.join(''), 'lines.jsonl')])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/line 2 is of another stream \("b"\)/),
    ])
  })

  it('crosses gaps of any length at once', async () => {
    const file = await temporaryFile(
      Array.from({ length: 40 }, (_, i) => `${25_000_000 * i + 1},-1,0,0,9,9,0.9\n`).join(''),
      'det.txt',
    )
    expect(await idsOf(file, '--fps', '1000')).toEqual(new Array(40).fill(-1))
  })

  it.runIf(hasShared)('gives the ids of the reference for real detections', async () => {
    const [, ...lines] = readFileSync(shared('data/tracking/TUD-Campus.csv'), 'utf8').trim().split('\n')
    const rows = lines.map((line) => line.split(','))
    const text = rows.map(([frame, ...rest]) => `${frame},-1,${rest.slice(0, 5).join(',')}\n`).join('')
    const file = await temporaryFile(text, 'det.txt')
    expect(await idsOf(file, '--fps', '25')).toEqual(rows.map((row) => Number(row[6])))
  })

  it.each<[string, string, RegExp]>([
    ['that is no such file', 'hello\n', /line 1 has 1 field; expected frame, −1, x, y, width, height, score/],
    ['of the ground truth with scores of its own', '1,-1,0,0,9,9,39.6\n', /line 1 has 39\.6 as score/],
    ['with a number that is none', '1,-1,0,x,9,9,0.9\n', /line 1 has "x" as y; expected a number/],
    ['with a frame that is none', '\n1.5,-1,0,0,9,9,0.9\n', /line 2 has 1\.5 as frame/],
    ['with a negative width', '1,-1,0,0,-9,9,0.9\n', /line 1 has a box that is none/],
    [
      'whose frames go back',
      '2,-1,0,0,9,9,0.9\n1,-1,0,0,9,9,0.9\n',
      /line 2 is of frame 1, after one of frame 2/,
    ],
    ['of two kinds', '1,-1,0,0,9,9,0.9\n{"detections":[]}\n', /line 2 is JSON, and lines before it are not/],
    ['of half JSON', '{"detections":[\n', /line 1 is no JSON/],
    [
      'of JSON with other boxes',
      '{"detections":[{"box":[1,2,3],"score":1}]}\n',
      /line 1 has a box that is none/,
    ],
    ['with a crowd', '1,-1,0,0,9,9,0.9\n'.repeat(2001), /line 2001 is one more than the 2000/],
    ['of one line', '9'.repeat(3_000_000), /line 1 has more than 2097152 bytes/],
    ['of many values', `{"a":[${'0,'.repeat(200_000)}0]}\n`, /line 1 has more than 131072 values/],
  ])('refuses a file %s', async (_, text, message) => {
    const { code, stderr } = await efficientdet(['track', await temporaryFile(text, 'det.txt')])
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)])
    expect(stderr).toMatch(/\[ERR_DETECTIONS\]\n$/)
  })

  it('refuses what is no file', async () => {
    for (const path of [await temporaryFolder(), '/none', '/dev/zero']) {
      const { code, stderr } = await efficientdet(['track', path])
      expect([code, stderr]).toEqual([1, expect.stringMatching(/ERR_DETECTIONS/)])
    }
  })

  it('reads or refuses whatever files become', async () => {
    const { readDetections } = await import('#lib/cli/detections-file.js')
    const { Tracker } = await import('#lib/tracking/index.js')
    const rng = random(17)
    const path = join(await temporaryFolder(), 'det.txt')
    const json =
      '{"frame":1,"time":0.5,"detections":[{"label":"a","classId":1,"score":0.5,"box":[0,1,2,3]}]}\n'
    const seeds = [MOT.slice(0, 2000), json.repeat(3)].map((text) => Buffer.from(text))
    const outcomes = new Map<string, number>()
    for (let i = 0; i < rounds({ quick: 300, all: 2000 }); i++) {
      await writeFile(
        path,
        derived(seeds[i % 2], seeds[(i + 1) % 2], [',', '{', '\n', '1e999', '-', '"'], rng),
      )
      const tracker = new Tracker({ algorithm: i % 3 === 0 ? 'ocsort' : 'bytetrack' })
      let outcome = 'read'
      try {
        for await (const { frame, time, detections } of readDetections(path, AbortSignal.timeout(60_000))) {
          tracker.update(detections, time ?? frame / 30)
        }
      } catch (error) {
        outcome = (error as { code: string }).code
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    expect([...outcomes.keys()].sort()).toEqual(['ERR_DETECTIONS', 'read'])
  })
})
