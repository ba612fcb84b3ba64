import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate, readDetections, readGroundTruth } from '#lib/evaluate/index.js'
import { derived } from '../fuzz/mutations.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { type DetectLine, efficientdet, jsonLines, PERSON } from '../helpers/cli.js'
import { random } from '../helpers/random.js'
import { rounds } from '../helpers/rounds.js'

const SETS: { truth: Parameters<typeof evaluate>[0]; detections: Parameters<typeof evaluate>[1] }[] =
  JSON.parse(readFileSync(join(import.meta.dirname, '..', 'fixtures', 'evaluate', 'sets.json'), 'utf8'))
const { truth, detections } = SETS[5]

async function files(annotations: unknown, found: unknown): Promise<string[]> {
  const folder = await temporaryFolder()
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  await writeFile(join(folder, 'gt.json'), text(annotations))
  await writeFile(join(folder, 'dt.json'), text(found))
  return ['eval', '--annotations', join(folder, 'gt.json'), '--detections', join(folder, 'dt.json')]
}

describe('eval of stored detections', () => {
  it('prints what the library says, as JSON', async () => {
    const { code, stdout, stderr } = await efficientdet([...(await files(truth, detections)), '--json'])
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(evaluate(truth, detections))))
  })

  it('prints a table for people, with categories', async () => {
    const { code, stdout } = await efficientdet(await files(truth, detections))
    const { ap, categories } = evaluate(truth, detections)
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`AP +${ap?.toFixed(4)}\n`))])
    for (const { name } of categories) expect(stdout).toContain(name)
  })

  it('puts two side by side, with what changed', async () => {
    const args = await files(truth, detections)
    const other = join(dirname(args[2]), 'other.json')
    const fewer = detections.slice(0, Math.ceil(detections.length / 2))
    await writeFile(other, JSON.stringify(fewer))
    const { code, stdout } = await efficientdet([...args, '--compare', other])
    const [first, second] = [detections, fewer].map((it) => evaluate(truth, it).ap ?? Number.NaN)
    const row = `AP +${first.toFixed(4)} +${second.toFixed(4)} +−${(first - second).toFixed(4)}\n`
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(row))])
    const { stdout: json } = await efficientdet([...args, '--compare', other, '--json'])
    expect(JSON.parse(json)).toEqual(
      JSON.parse(JSON.stringify({ evaluation: evaluate(truth, detections), other: evaluate(truth, fewer) })),
    )
  })

  it.each<[string, unknown, unknown, RegExp]>([
    ['half a file', '{"images": [', [], /gt\.json is no JSON.* \[ERR_ANNOTATIONS\]/],
    ['a list of detections', [], [], /The ground truth has undefined as images.*\[ERR_ANNOTATIONS\]/],
    ['detections that are none', truth, '{}', /The list of detections is an object.*\[ERR_DETECTIONS\]/],
    ['other pictures', truth, [{ ...detections[0], image_id: -1 }], /no such image\. \[ERR_DETECTIONS\]/],
    [
      'what nests without end',
      `${'['.repeat(1000)}`,
      [],
      /nests deeper than 100 levels.*\[ERR_ANNOTATIONS\]/,
    ],
  ])('refuses %s', async (_, annotations, found, message) => {
    const { code, stdout, stderr } = await efficientdet(await files(annotations, found))
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(message)])
  })

  it('refuses no detections, and two sources of them', async () => {
    for (const options of [[], ['--detections', 'a.json', '--images', 'b']]) {
      const { code, stderr } = await efficientdet(['eval', '--annotations', 'gt.json', ...options])
      expect([code, stderr]).toEqual([1, expect.stringMatching(/Give either --detections/)])
    }
  })

  it('reads or refuses whatever files become', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'x.json')
    const rng = random(20)
    const seeds = [truth, detections].map((it) => Buffer.from(JSON.stringify(it)))
    const tokens = ['null', '[', ']', '{', '"id":', '1e999', '-1', '"bbox":', '"image_id":', ',']
    const outcomes = new Set<string>()
    for (let i = 0; i < rounds({ quick: 400, all: 2000 }); i++) {
      await writeFile(path, derived(seeds[i % 2], seeds[(i + 1) % 2], tokens, rng))
      try {
        if (i % 2 === 0) evaluate(await readGroundTruth(path), [])
        else evaluate(truth, await readDetections(path))
        outcomes.add('read')
      } catch (error) {
        outcomes.add((error as { code: string }).code)
      }
    }
    expect([...outcomes].sort()).toEqual(['ERR_ANNOTATIONS', 'ERR_DETECTIONS', 'read'])
  })
})

describe('eval of a model', () => {
  const MODEL = ['--backend', 'cpu', '--threads', '1']

  it('finds what there is in the pictures, and keeps it', async () => {
    const [{ width, height, detections: seen }] = jsonLines<DetectLine>(
      await efficientdet(['detect', PERSON, '--json', ...MODEL]),
    )
    const [{ box }] = seen
    const [x1, y1, x2, y2] = box
    const annotations = {
      images: [{ id: 7, file_name: 'person.jpg', width, height }],
      categories: [{ id: 3, name: 'person' }],
      annotations: [{ id: 1, image_id: 7, category_id: 3, bbox: [x1, y1, x2 - x1, y2 - y1] }],
    }
    const folder = await temporaryFolder()
    const [gt, dt] = [join(folder, 'gt.json'), join(folder, 'dt.json')]
    await writeFile(gt, JSON.stringify(annotations))
    const args = ['eval', '--annotations', gt, '--json']
    const run = await efficientdet([...args, '--images', dirname(PERSON), '--out', dt, ...MODEL])
    expect([run.code, run.stderr]).toEqual([0, ''])
    const evaluation = JSON.parse(run.stdout)
    expect(evaluation).toMatchObject({
      ar: [1, 1, 1],
      images: 1,
      objects: 1,
      categories: [{ categoryId: 3 }],
    })
    // Without a threshold.
    expect(evaluation.detections).toBeGreaterThan(20)
    expect(JSON.parse((await efficientdet([...args, '--detections', dt])).stdout)).toEqual(evaluation)
  })

  it('goes on after a picture that cannot be read, and says so', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'images'))
    const annotations = {
      images: [{ id: 1, file_name: 'none.jpg' }],
      categories: [{ id: 1, name: 'person' }],
      annotations: [{ image_id: 1, category_id: 1, bbox: [0, 0, 9, 9] }],
    }
    const gt = join(folder, 'gt.json')
    await writeFile(gt, JSON.stringify(annotations))
    const args = ['eval', '--annotations', gt, '--images', join(folder, 'images'), '--json', ...MODEL]
    const { code, stdout, stderr } = await efficientdet(args)
    expect([code, JSON.parse(stdout).ap]).toEqual([1, 0])
    expect(stderr).toMatch(/none\.jpg.* It counts as a picture without detections\. \[ERR_IMAGE\]/)
  })

  it.each<[string, object, RegExp]>([
    [
      'of pictures outside of the folder',
      { images: [{ id: 1, file_name: '../x.jpg' }] },
      /no file_name within/,
    ],
    ['of pictures without names', { images: [{ id: 1 }] }, /no file_name within/],
    [
      'of other categories',
      {
        categories: [
          { id: 1, name: 'a' },
          { id: 2, name: 'b' },
        ],
      },
      /Name its classes/,
    ],
  ])('refuses annotations %s', async (_, changed, message) => {
    const folder = await temporaryFolder()
    const gt = join(folder, 'gt.json')
    const annotations = { images: [], categories: [{ id: 1, name: 'person' }], annotations: [], ...changed }
    await writeFile(gt, JSON.stringify(annotations))
    const { code, stderr } = await efficientdet(['eval', '--annotations', gt, '--images', folder, ...MODEL])
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)])
  })
})
