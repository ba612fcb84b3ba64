import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { interruptBuild, kept } from '../helpers/builds.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { type DetectLine, efficientdet, jsonLines, PERSON } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'

let person: Buffer
beforeAll(async () => {
  person = await readFile(PERSON)
})

describe('detect', () => {
  it('takes folders and glob patterns, each picture once', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'inner'))
    for (const name of ['a.jpg', 'b.JPEG', 'inner/c.jpg', 'notes.txt']) {
      await writeFile(join(folder, name), name === 'notes.txt' ? 'no picture' : person)
    }
    const sourcesOf = async (...args: string[]) => {
      const run = await efficientdet(['detect', ...args, '--json', '--input-size', '64'], { cwd: folder })
      expect(run.code).toBe(0)
      return jsonLines<DetectLine>(run).map(({ source }) => source)
    }
    expect(await sourcesOf('.')).toEqual(['a.jpg', 'b.JPEG'])
    expect(await sourcesOf('**')).toEqual(['a.jpg', 'b.JPEG', 'inner/c.jpg'])
    expect(await sourcesOf('{a,inner/c}.jpg', 'a.jpg', '.')).toEqual(['a.jpg', 'inner/c.jpg', 'b.JPEG'])
  })

  it('leaves hidden files out, and says once for each folder or pattern what else it leaves out', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'inner'))
    const images = ['a.jpe', 'b.jfif', 'c.MPO', 'd.tif', 'e.jpg']
    const others = ['x.heic', 'y.HEIC', 'z.bmp', 'LICENCE', '._a.jpg', '.hidden.jpg']
    for (const name of [...images, ...others]) await writeFile(join(folder, name), person)
    const detect = (...args: string[]) => efficientdet(['detect', ...args, '--json'], { cwd: folder })
    const found = await detect('.')
    expect({ code: found.code, stderr: found.stderr }).toEqual({
      code: 0,
      stderr:
        "note: .: skipped 4 files (.heic 2, .bmp 1, no extension 1) and 1 subfolder (for those too: '**').\n",
    })
    expect(jsonLines<DetectLine>(found).map(({ source }) => source)).toEqual(images)
    const matched = await detect('*.{jpg,heic}', '?.bmp', 'e.jpg').then(({ stderr }) => stderr)
    expect(matched).toBe('error: ?.bmp: no picture matches this pattern, only 1 file (.bmp 1). [ERR_IMAGE]\n')
    expect((await detect('*.{jpg,heic}')).stderr).toBe('note: *.{jpg,heic}: skipped 1 file (.heic 1).\n')
  })

  it('reports every bad picture by name and reason, does the good ones, and exits with 1', async () => {
    const folder = await temporaryFolder()
    const file = (name: string) => join(folder, name)
    await Promise.all([
      ...['good-1.jpg', 'good-2.jpg', 'good-3.jpg'].map((name) => copyFile(PERSON, file(name))),
      writeFile(file('cut.jpg'), person.subarray(0, Math.floor(person.length * 0.6))),
      writeFile(file('empty.jpg'), ''),
      writeFile(file('png-inside.jpg'), await sharp(person).png().toBuffer()),
      writeFile(file('text.png'), 'This is not a picture.\n'),
      mkdir(file('folder.jpg')),
      symlink(file('nowhere'), file('dangling.jpg')),
    ])
    const run = await efficientdet(['detect', folder, '--json'])
    expect(run.code).toBe(1)
    const lines = jsonLines<DetectLine>(run)
    const found = new Map(lines.map((line) => [basename(line.source), line]))
    expect(lines).toHaveLength(9)
    for (const name of ['good-1.jpg', 'good-2.jpg', 'good-3.jpg', 'png-inside.jpg']) {
      expect(found.get(name)).toMatchObject({ detections: [{ label: 'person' }] })
    }
    const reasons = {
      'cut.jpg': /truncated|incomplete|premature|ends early/i,
      'empty.jpg': /is empty/,
      'text.png': /not a picture|unsupported|unknown|no picture|cannot be decoded/i,
      'folder.jpg': /is a folder/,
      'dangling.jpg': /there is no such file/,
    }
    for (const [name, reason] of Object.entries(reasons)) {
      const { error } = found.get(name)!
      expect(error).toEqual({ code: 'ERR_IMAGE', message: expect.stringMatching(reason) })
      expect(error!.message).toContain(name)
    }
    const text = await efficientdet(['detect', folder])
    expect(text.code).toBe(1)
    expect(text.stdout.match(/1 detection/g)).toHaveLength(4)
    for (const name of Object.keys(reasons)) expect(text.stderr).toMatch(new RegExp(`error: .*${name}`))
  })

  it('passes its options on', async () => {
    const [strict, sized, misnamed, capped] = await Promise.all([
      efficientdet(['detect', PERSON, '--score-threshold', '0.99']),
      efficientdet(['detect', PERSON, '--input-size', '256x384', '--threads', '1']),
      efficientdet(['detect', PERSON, '--classes', 'persn']),
      efficientdet([
        'detect',
        PERSON,
        '--score-threshold',
        '0.01',
        '--max-detections',
        '1',
        '--nms',
        'agnostic',
      ]),
    ])
    expect(strict).toMatchObject({ code: 0, stdout: expect.stringContaining('0 detections') })
    expect(sized.stderr).toMatch(/1 thread, input 256 high × 384 wide/)
    expect(misnamed).toMatchObject({ code: 1, stderr: expect.stringMatching(/did you mean "person"\?/) })
    expect(capped.stdout).toMatch(
      /1 detection .*\n {2}person .*\n {2}\(more were found than --max-detections allows\)/,
    )
  })
})

describe('detect --score-threshold', () => {
  const found = async (...args: string[]) => {
    const run = await efficientdet(['detect', PERSON, '--json', ...args])
    return run.code === 0 ? jsonLines<DetectLine>(run)[0].detections.length : run.stderr
  }

  it('is for all classes, or for one of them', async () => {
    expect(
      await Promise.all([
        found(),
        found('--score-threshold', '0.99'),
        found('--score-threshold', 'person=0.99'),
      ]),
    ).toEqual([1, 0, 0])
    const [own, other, unknown] = await Promise.all([
      found('--score-threshold', '0.99', '--score-threshold', 'person=0.5'),
      found('--score-threshold', '0=0.99', '--classes', '0'),
      found('--score-threshold', 'persn=0.99'),
    ])
    expect([own, other]).toEqual([1, 0])
    expect(unknown).toMatch(
      /a name in classThresholds is "persn".*did you mean "person"\?.*\[ERR_INVALID_OPTION\]/,
    )
  })
})

describe.skipIf(!hasNative)('detect on a GPU', () => {
  const TENSORRT = [
    '--backend',
    'tensorrt',
    '--backend-library',
    FAKE_BACKEND,
    '--input-size',
    '64',
    '--no-self-test',
  ]

  it('tells the GPU and its backend', async () => {
    await emptyCache()
    const { code, stdout, stderr } = await efficientdet(['detect', PERSON, ...TENSORRT])
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /^EfficientDet-lite0 on fake backend 1\.0: .*, input 64 high × 64 wide\n$/,
      ),
    })
    expect(stdout).toMatch(/person\.jpg {2}640×424 {2}\d+ detections?/)
  })

  it('builds the engine first, which Ctrl-C ends without a trace', async () => {
    const cache = await emptyCache()
    expect(await interruptBuild(['detect', PERSON, ...TENSORRT])).toEqual({
      code: 130,
      signal: null,
      output: '',
    })
    expect(await kept(cache)).toEqual({ engines: [], others: [] })
  })

  it('does not use an engine whose answers are wrong', async () => {
    await emptyCache()
    const { code, stderr } = await efficientdet(['detect', PERSON, ...TENSORRT.slice(0, -1)])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: The engine answers wrongly and is not used: .*\[ERR_ENGINE\]\n$/)
  })

  it('says that there is no such GPU', async () => {
    const { code, stderr } = await efficientdet(['detect', PERSON, ...TENSORRT, '--device', '3'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: device is 3; there are 1 here/)
  })
})
