import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import sharp from 'sharp'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ScoreOptions, type ScoreProgress, score, scoreStatus } from '#lib/batch/index.js'
import { type DetectionResult, EfficientDet } from '#lib/index.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, jsonLines } from '../helpers/cli.js'
import { refusal } from '../helpers/refusal.js'
import { photographs } from './photographs.js'

const COUNT = 10
const load = { inputSize: 64, threads: 1, backend: 'cpu' } as const
const detect = { scoreThreshold: 0.02, maxDetections: 5 }

let parent: string
let folder: string
let expected: DetectionResult[]
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'efficientdet-test-'))
  folder = await photographs(COUNT, parent)
  await using detector = await EfficientDet.load('person', load)
  const paths = (await readdir(folder)).sort().map((name) => join(folder, name))
  expected = (await detector.detectBatch(paths, detect)) as DetectionResult[]
  expect(expected.some(({ detections }) => detections.length > 0)).toBe(true)
})

afterAll(() => rm(parent, { recursive: true, force: true }))

type Choices = Partial<ScoreOptions>

async function run(
  choices: Choices = {},
): Promise<{ out: string; summary: Awaited<ReturnType<typeof score>> }> {
  const { out = join(await temporaryFolder(), 'out'), ...others } = choices
  const summary = await score({ sources: [folder], out, load, detect, shardSize: 4, ...others })
  return { out, summary }
}

async function linesOf<T>(path: string): Promise<T[]> {
  const text = await readFile(path, 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

interface Line extends DetectionResult {
  readonly uri: string
  readonly id?: string | number
}

async function scored(out: string): Promise<Line[]> {
  const names = (await readdir(out)).filter((name) => /^part-\d{5}\.jsonl$/.test(name)).sort()
  return (await Promise.all(names.map((name) => linesOf<Line>(join(out, name))))).flat()
}

/** Hashes of all files of a run, by name. */
async function contents(out: string): Promise<Record<string, string>> {
  const names = await readdir(out, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const hashes = files.map(async (path) => [
    path.slice(out.length),
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ])
  return Object.fromEntries(await Promise.all(hashes))
}

describe('score', () => {
  it('writes what detectBatch finds, a file for each shard, in the order of names', async () => {
    const { out, summary } = await run()
    expect(summary).toMatchObject({ pictures: COUNT, errors: 0, skipped: 0, isComplete: true })
    const lines = await scored(out)
    expect(lines.map(({ uri }) => uri)).toEqual(expected.map(({ source }) => source))
    for (const [i, { width, height, detections }] of lines.entries()) {
      expect({ width, height, detections }).toEqual({
        width: 128,
        height: 128,
        detections: expected[i].detections,
      })
    }
    expect((await readdir(out)).sort()).toEqual(
      [
        'manifest',
        'manifest.json',
        'part-00000.jsonl',
        'part-00001.jsonl',
        'part-00002.jsonl',
        'run.json',
      ].sort(),
    )
  })

  it('goes on where it was stopped, and comes to the same bytes', async () => {
    const undisturbed = await contents((await run()).out)
    const controller = new AbortController()
    const out = join(await temporaryFolder(), 'out')
    const onProgress = ({ pictures }: ScoreProgress) => {
      if (pictures >= 4) controller.abort(new Error('enough'))
    }
    await expect(run({ out, signal: controller.signal, onProgress, maxInFlight: 1 })).rejects.toThrow(
      'enough',
    )
    const before = (await scored(out)).length
    expect(before).toBe(4)
    const { summary } = await run({ out })
    expect(summary).toMatchObject({ pictures: COUNT, skipped: before })
    expect(await contents(out)).toEqual(undisturbed)
  })

  it('does nothing where all is done', async () => {
    const { out } = await run()
    expect((await run({ out })).summary).toMatchObject({ pictures: COUNT, skipped: COUNT })
  })

  it.each<[string, Choices, RegExp]>([
    ['another format', { format: 'coco' }, /format is "coco", and was "jsonl"/],
    [
      'another threshold',
      { detect: { scoreThreshold: 0.5 } },
      /detect\.scoreThreshold is 0\.5, and was 0\.02/,
    ],
    ['another input', { load: { ...load, inputSize: 128 } }, /load\.inputSize\.height is 128, and was 64/],
    ['shards of another size', { shardSize: 5 }, /shardSize is 5, and was 4/],
  ])('refuses %s, and says what differs', async (_, choices, reason) => {
    const { out } = await run()
    await expect(run({ out, ...choices })).rejects.toThrow(refusal('ERR_RUN', reason))
  })

  it('takes a run up with other threads or another backend', async () => {
    const { out } = await run()
    expect((await run({ out, load: { ...load, threads: 2, backend: 'auto' } })).summary.skipped).toBe(COUNT)
  })

  it.each([
    [
      'one more',
      (files: string) => writeFile(join(files, '0002b.jpg'), ''),
      /number 4 of shard 0 is .*0002b\.jpg.*, and was/,
    ],
    ['one fewer', (files: string) => rm(join(files, '0009.jpg')), /list other pictures/],
    [
      'one of another name',
      (files: string) => rename(join(files, '0001.jpg'), join(files, '0001x.jpg')),
      /0001x\.jpg/,
    ],
  ])('refuses a folder with %s', async (_, change, reason) => {
    const files = await photographs(COUNT)
    const { out } = await run({ sources: [files] })
    await change(files)
    await expect(run({ out, sources: [files] })).rejects.toThrow(refusal('ERR_RUN', reason))
  })

  it('refuses another model of the same name', async () => {
    const model = join(await temporaryFolder(), 'model.safetensors')
    const bytes = await readFile('models/person/person.safetensors')
    await writeFile(model, bytes)
    const { out } = await run({ model })
    bytes[bytes.length - 1] ^= 1
    await writeFile(model, bytes)
    await expect(run({ out, model })).rejects.toThrow(refusal('ERR_RUN', /modelSha256 is/))
  })

  it('refuses a second run into one folder while the first is under way', async () => {
    const out = join(await temporaryFolder(), 'out')
    let second: Promise<unknown> | null = null
    await run({
      out,
      onProgress: () => {
        second ??= run({ out }).catch((error) => error)
      },
    })
    expect(await second).toEqual(refusal('ERR_RUN', /under way/))
    expect((await scored(out)).length).toBe(COUNT)
  })

  it('shares the shards among machines, of which the last completes the run', async () => {
    const whole = await contents((await run()).out)
    const out = join(await temporaryFolder(), 'out')
    const parts = []
    for (const index of [1, 0]) parts.push((await run({ out, shard: { index, count: 2 } })).summary)
    expect(parts.map(({ pictures, isComplete }) => [pictures, isComplete])).toEqual([
      [4, false],
      [6, true],
    ])
    expect(await contents(out)).toEqual(whole)
  })
})

describe('pictures that cannot be scored', () => {
  /** A small picture that claims to be one of 1.6 gigapixels. */
  const huge = async () => {
    const bytes = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#000' } })
      .png()
      .toBuffer()
    bytes.writeUInt32BE(40_000, 16)
    bytes.writeUInt32BE(40_000, 20)
    bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29)
    return bytes
  }
  const BAD: [string, (path: string) => unknown][] = [
    ['bomb.svg.jpg', (path) => writeFile(path, '<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['device.jpg', (path) => symlink('/dev/zero', path)],
    ['empty.jpg', (path) => writeFile(path, '')],
    ['header.jpg', (path) => writeFile(path, Buffer.from('ffd8ffe000104a464946', 'hex'))],
    ['huge.png', async (path) => writeFile(path, await huge())],
    ['missing.jpg', (path) => symlink('/nowhere/at/all.jpg', path)],
    ['page.jpg', (path) => writeFile(path, '<html><body>Not found')],
    ['pipe.jpg', (path) => execFileSync('mkfifo', [path])],
    ['text.jpg', (path) => writeFile(path, 'This is no picture.')],
    ['zeros.jpg', (path) => writeFile(path, new Uint8Array(5000))],
  ]

  it('are in errors.jsonl, and the others in the results', async () => {
    const files = await photographs(6)
    await truncate(join(files, '0001.jpg'), 2000)
    for (const [name, make] of BAD) await make(join(files, name))
    await mkdir(join(files, 'folder.png'))
    const { out, summary } = await run({ sources: [files] })
    expect(summary).toMatchObject({ pictures: 16, errors: 11 })
    const errors = await linesOf<{ uri: string; code: string; message: string }>(join(out, 'errors.jsonl'))
    expect(errors.map(({ uri, code }) => [uri.slice(files.length + 1), code])).toEqual(
      ['0001.jpg', ...BAD.map(([name]) => name)].map((name) => [
        name,
        name === 'huge.png' ? 'ERR_IMAGE_TOO_LARGE' : 'ERR_IMAGE',
      ]),
    )
    expect((await scored(out)).map(({ uri }) => uri.slice(files.length + 1))).toEqual(
      ['0000', '0002', '0003', '0004', '0005'].map((name) => `${name}.jpg`),
    )
  })

  it('are tried again when asked for, and the run is as if they had always been right', async () => {
    const files = await photographs(6)
    const whole = await contents((await run({ sources: [files] })).out)
    const bytes = await readFile(join(files, '0001.jpg'))
    await truncate(join(files, '0001.jpg'), 2000)
    const { out, summary } = await run({ sources: [files] })
    expect(summary.errors).toBe(1)
    expect((await run({ out, sources: [files] })).summary).toMatchObject({ errors: 1, skipped: 6 })
    await writeFile(join(files, '0001.jpg'), bytes)
    const again = await run({ out, sources: [files], retryErrors: true })
    expect(again.summary).toMatchObject({ errors: 0, skipped: 2 })
    expect(await contents(out)).toEqual(whole)
  })
})

describe('sources', () => {
  it('are folders with those below, patterns, lists and manifests, with the ids of the last', async () => {
    const files = await photographs(3)
    await mkdir(join(files, 'below'))
    await rename(join(files, '0000.jpg'), join(files, 'below', '0000.jpg'))
    await writeFile(join(files, '.hidden.jpg'), 'no')
    await writeFile(join(files, 'notes.md'), 'no')
    const paths = ['0001.jpg', '0002.jpg', 'below/0000.jpg'].map((name) => join(files, name))
    const list = join(files, 'list.txt')
    await writeFile(list, `${paths.join('\r\n')}\n\n`)
    const manifest = join(files, 'manifest.jsonl')
    await writeFile(manifest, paths.map((uri, id) => JSON.stringify({ uri, id, more: ['x'] })).join('\n'))
    for (const sources of [[files], [join(files, '**/*.jpg')], [list], paths, [manifest]]) {
      const lines = await scored((await run({ sources })).out)
      expect(lines.map(({ uri }) => uri)).toEqual(paths)
      expect(lines.map(({ id }) => id)).toEqual(
        sources[0] === manifest ? [0, 1, 2] : [undefined, undefined, undefined],
      )
    }
  })

  it('are tar archives, whose pictures are read where they lie', async () => {
    const archive = join(await temporaryFolder(), 'shard-000.tar')
    const tar = pack()
    for (const [i, { source }] of expected.entries()) {
      tar.entry({ name: `${'deep/'.repeat(i * 10)}${i}.jpg` }, await readFile(source!))
      tar.entry({ name: `${i}.json` }, '{}')
    }
    tar.finalize()
    const pieces: Uint8Array[] = []
    for await (const piece of tar) pieces.push(piece as Uint8Array)
    await writeFile(archive, Buffer.concat(pieces))
    const lines = await scored((await run({ sources: [archive] })).out)
    expect(lines.map(({ uri }) => uri.split('/').at(-1))).toEqual(
      expected.map((_, i) => (i === 0 ? 'shard-000.tar!0.jpg' : `${i}.jpg`)),
    )
    expect(lines.map(({ detections }) => detections)).toEqual(expected.map(({ detections }) => detections))
  })

  it.each([
    ['no folder or list', 'nowhere.txt', 'ERR_SOURCES', /there is no such|cannot be read/],
    ['an archive that is none', 'x.tar', 'ERR_SOURCES', /is no tar archive/],
    ['a manifest of other lines', 'x.jsonl', 'ERR_SOURCES', /line 2 has undefined as uri/],
    ['a line without end', 'long.txt', 'ERR_SOURCES', /line 1 has more than/],
  ])('are refused where one is %s', async (_, name, code, reason) => {
    const files = await temporaryFolder()
    await writeFile(join(files, 'x.tar'), 'x'.repeat(5000))
    await writeFile(join(files, 'x.jsonl'), '{"uri":"a.jpg"}\n{"url":"b.jpg"}\n')
    await writeFile(join(files, 'long.txt'), 'x'.repeat(100_000))
    await expect(run({ sources: [join(files, name)] })).rejects.toThrow(refusal(code, reason))
  })
})

describe('formats', () => {
  it('are Parquet tables of detections and pictures', async () => {
    const { out } = await run({ format: 'parquet', shardSize: 100 })
    const table = async (name: string) => {
      const file = await readFile(join(out, name))
      return parquetReadObjects({
        file: file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer,
      })
    }
    expect(await table('images/part-00000.parquet')).toEqual(
      expected.map(({ source, detections }, number) => ({
        uri: source,
        id: null,
        shard: 0,
        number,
        width: 128,
        height: 128,
        detections: detections.length,
        warnings: null,
      })),
    )
    expect(await table('detections/part-00000.parquet')).toEqual(
      expected.flatMap(({ source, detections }) =>
        detections.map(({ label, classId, score, box: [x1, y1, x2, y2] }) => {
          return { uri: source, label, class_id: classId, score, x1, y1, x2, y2 }
        }),
      ),
    )
  })

  it("are COCO's results, with ids from names", async () => {
    const { out } = await run({ format: 'coco', shardSize: 100 })
    const results = JSON.parse(await readFile(join(out, 'part-00000.json'), 'utf8'))
    expect(results).toEqual(
      expected.flatMap(({ detections }, i) =>
        detections.map(({ classId, score, box: [x1, y1, x2, y2] }) => {
          return { image_id: i, category_id: classId + 1, bbox: [x1, y1, x2 - x1, y2 - y1], score }
        }),
      ),
    )
  })
})

describe('efficientdet score', () => {
  it('tells progress and summary as JSON, says by its exit code that some failed, and how far a run is', async () => {
    const files = await photographs(3)
    await writeFile(join(files, 'text.jpg'), 'This is no picture.')
    const out = join(files, 'out')
    const done = await efficientdet([
      'score',
      files,
      '--out',
      out,
      '--input-size',
      '64',
      '--shard-size',
      '2',
      '--json',
    ])
    expect(done).toMatchObject({ code: 3, stderr: '' })
    expect(jsonLines(done).at(-1)).toMatchObject({
      type: 'summary',
      pictures: 4,
      errors: 1,
      isComplete: true,
    })
    const status = await efficientdet(['score', '--status', out, '--json'])
    expect(JSON.parse(status.stdout)).toEqual(await scoreStatus(out))
    expect(JSON.parse(status.stdout)).toMatchObject({ done: 2, shards: 2, pictures: 4, errors: 1 })
  })

  it('takes its part from Kubernetes, and lists from standard input', async () => {
    const out = join(await temporaryFolder(), 'out')
    const args = [
      'score',
      folder,
      '--out',
      out,
      '--input-size',
      '64',
      '--shard-size',
      '4',
      '--shard',
      'auto/3',
    ]
    const { code, stdout } = await efficientdet(args, { env: { JOB_COMPLETION_INDEX: '2' } })
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^2 pictures in/) })
    const refused = await efficientdet(args, { env: { JOB_COMPLETION_INDEX: undefined } })
    expect(refused.stderr).toMatch(/JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID/)
  })
})
