import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { Analytics, type AnalyticsOptions, readZones } from '#lib/analytics/index.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { accidents, damaged } from '../helpers/damage.js'
import fc from '../helpers/fast-check.js'
import { refusal } from '../helpers/refusal.js'

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
})

async function file(text: string | Uint8Array): Promise<string> {
  const path = join(folder, 'zones.yml')
  await writeFile(path, text)
  return path
}

const YAML = `
size: { width: 1920, height: 1080 }
hysteresis: 0.2
anchor: centre
lines:
  - name: gate # counted downwards
    from: [100, 500]
    to: [900, 500]
    classes: [person, 2]
zones:
  - name: yard
    points: [[0, 0], [1920, 0], [960, 1080]]
heatMap: { columns: 64, rows: 36 }
`

const OPTIONS: AnalyticsOptions = {
  size: { width: 1920, height: 1080 },
  hysteresis: 0.2,
  anchor: 'centre',
  lines: [{ name: 'gate', from: [100, 500], to: [900, 500], classes: ['person', 2] }],
  zones: [
    {
      name: 'yard',
      points: [
        [0, 0],
        [1920, 0],
        [960, 1080],
      ],
    },
  ],
  heatMap: { columns: 64, rows: 36 },
}

describe('a zones file', () => {
  it('is YAML', async () => {
    const options = await readZones(await file(YAML))
    expect(options).toEqual(OPTIONS)
    expect(Object.keys(new Analytics(options, { width: 640, height: 360 }).counts.zones)).toEqual(['yard'])
  })

  it('is JSON', async () => {
    expect(await readZones(await file(JSON.stringify(OPTIONS)))).toEqual(OPTIONS)
  })

  it.each<[string, string | Uint8Array, RegExp]>([
    ['that is no YAML', '{lines: [', /looks like JSON or YAML, but is not/],
    ['that is a list', '[1, 2]', /is no zones file: the file is a list of 2/],
    ['of Latin-1', Uint8Array.of(0x6c, 0xe9), /is not UTF-8/],
    ['with an unknown key', 'line: []', /Did you mean lines\?/],
    [
      'with an unknown key of a line',
      'lines: [{ name: a, form: [0, 0], to: [1, 1] }]',
      /no option "form" in lines\[0\]/,
    ],
    ['with a line without a name', 'lines: [{ from: [0, 0], to: [1, 1] }]', /lines\[0\]\.name is undefined/],
    ['with a line of one point', 'lines: [{ name: a, from: [1, 1], to: [1, 1] }]', /another point than from/],
    [
      'with a point that is none',
      'lines: [{ name: a, from: [1, x], to: [1, 1] }]',
      /lines\[0\]\.from\[1\] is "x"/,
    ],
    [
      'with two of a name',
      'zones: [&a { name: a, points: [[0,0],[1,0],[1,1]] }, *a]',
      /a name that no other has/,
    ],
    ['with two points', 'zones: [{ name: a, points: [[0,0],[1,0]] }]', /3 to 1000 points/],
    ['with points on a line', 'zones: [{ name: a, points: [[0,0],[1,1],[2,2]] }]', /not on one line/],
    ['with a size that is none', 'size: [1, 2]', /size is a list/],
    ['with a hysteresis that is none', 'hysteresis: -1', /hysteresis is -1; expected a number from 0 to 60/],
    ['with much too much', `zones: [${'[],'.repeat(40_000)}]`, /characters of JSON or YAML/],
    ['that is long', ' '.repeat(2 ** 19), /has 524288 bytes/],
  ])('%s is refused', async (_, text, message) => {
    await expect(readZones(await file(text))).rejects.toThrow(refusal('ERR_ZONES', message))
  })

  it('that is damaged is read or refused', async () => {
    await fc.assert(
      fc.asyncProperty(accidents, async (happened) => {
        try {
          new Analytics(await readZones(await file(damaged(Buffer.from(YAML), happened))), {
            width: 64,
            height: 36,
          })
        } catch (error) {
          expect(error).toEqual(refusal('ERR_ZONES', /./))
        }
      }),
    )
  })

  it('that is missing is refused', async () => {
    await expect(readZones(join(folder, 'none.yml'))).rejects.toThrow(refusal('ERR_ZONES', /cannot be read/))
    await expect(readZones(folder)).rejects.toThrow(refusal('ERR_ZONES', /is a folder/))
  })
})
