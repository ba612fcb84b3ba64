import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type DatasetFault, datasetFaults } from '#lib/evaluate/dataset-faults.js'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { derived } from '../fuzz/mutations.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet } from '../helpers/cli.js'
import { random } from '../helpers/random.js'
import { hasShared, shared } from '../helpers/shared.js'

const object = (id: number, image_id: number, bbox: readonly number[], category_id = 1) => {
  return { id, image_id, category_id, bbox, area: bbox[2] * bbox[3], iscrowd: 0 }
}

/** Without a fault. */
const CLEAN = {
  images: [1, 2, 3].map((id) => ({ id, file_name: `${id}.jpg`, width: 640, height: 480 })),
  categories: [
    { id: 1, name: 'person' },
    { id: 2, name: 'traffic light' },
  ],
  annotations: [
    object(1, 1, [10, 10, 100, 150]),
    object(2, 1, [200, 50, 60, 50], 2),
    object(3, 2, [0, 0, 640, 480]),
    object(4, 2, [300, 300, 40, 41]),
  ],
}

const [first, ...rest] = CLEAN.annotations
const change = (changed: object) => ({ ...CLEAN, annotations: [{ ...first, ...changed }, ...rest] })
const also = (...more: object[]) => ({ ...CLEAN, annotations: [...CLEAN.annotations, ...more] })

const D0 = {
  input: { height: 512, width: 512 },
  maxLevel: 7,
  anchors: { anchorScale: 4, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS },
}

const kindsOf = (faults: readonly DatasetFault[]) => faults.map(({ kind, count }) => [kind, count])

describe('a fault of a data set', () => {
  it('is none where there is none', () => {
    expect(datasetFaults(CLEAN, D0)).toEqual([])
  })

  it.each<[string, unknown, string, number, RegExp]>([
    [
      'ids from 0',
      {
        ...CLEAN,
        categories: [
          { id: 0, name: 'a' },
          { id: 1, name: 'b' },
        ],
        annotations: [first],
      },
      'category-ids',
      2,
      /0 \(a\), 1 \(b\)/,
    ],
    [
      'ids with gaps',
      { ...CLEAN, categories: [...CLEAN.categories, { id: 7, name: 'c' }] },
      'category-ids',
      1,
      /7 \(c\)/,
    ],
    [
      'labels of unlike spelling',
      { ...CLEAN, categories: [...CLEAN.categories, { id: 3, name: 'Traffic_Light ' }] },
      'labels-alike',
      1,
      /"traffic light" and "Traffic_Light "/,
    ],
    [
      'two annotations of one id',
      also({ ...rest[0], id: 1, bbox: [9, 9, 70, 70] }),
      'ids-twice',
      1,
      /Several annotations have one id/,
    ],
    [
      'two images of one id',
      { ...CLEAN, images: [...CLEAN.images, { ...CLEAN.images[0], file_name: 'x.jpg' }] },
      'ids-twice',
      1,
      /Several images/,
    ],
    ['an object of no image', change({ image_id: 99 }), 'unknown-reference', 1, /annotation 1/],
    ['an object of no category', change({ category_id: 99 }), 'unknown-reference', 1, /annotation 1/],
    ['an empty box', change({ bbox: [10, 10, 0, 50] }), 'box-invalid', 1, /annotation 1/],
    ['a box of text', change({ bbox: 'x' }), 'box-invalid', 1, /annotation 1/],
    [
      'corners in the place of sizes',
      change({ bbox: [500, 400, 600, 470] }),
      'box-outside',
      1,
      /annotation 1/,
    ],
    [
      'fractions',
      {
        ...CLEAN,
        annotations: CLEAN.annotations.map((it) => ({ ...it, bbox: it.bbox.map((side) => side / 640) })),
      },
      'box-fractions',
      4,
      /pixels were expected/,
    ],
    ['an object twice', also({ ...rest[0], id: 9 }), 'box-twice', 1, /annotation 9/],
    ['a tiny object', also(object(9, 3, [5, 5, 8, 8])), 'object-size', 1, /annotation 9 \(6\.4×6\.4\)/],
    [
      'a thin object',
      also(object(9, 3, [5, 5, 600, 30])),
      'aspect-ratio',
      1,
      /annotation 9 \(480\.0×24\.0\)/,
    ],
    ['an object without an area', change({ area: undefined }), 'area', 1, /annotation 1/],
    [
      'an image without a size',
      { ...CLEAN, images: [...CLEAN.images, { id: 9, file_name: '9.jpg' }] },
      'picture-size',
      1,
      /9\.jpg/,
    ],
    [
      'an image twice',
      { ...CLEAN, images: [...CLEAN.images, { ...CLEAN.images[0], id: 9 }] },
      'picture-twice',
      1,
      /1\.jpg/,
    ],
  ])('is found: %s', (_, annotations, kind, count, message) => {
    const faults = datasetFaults(annotations, D0)
    const found = faults.find((it) => it.kind === kind)
    expect(found).toMatchObject({ count, message: expect.stringMatching(message) })
  })

  it('is alone where one is planted', () => {
    const planted = [
      change({ area: 0 }),
      change({ image_id: 99 }),
      also({ ...rest[0], id: 9 }),
      also(object(9, 3, [5, 5, 8, 8])),
      also(object(9, 3, [5, 5, 600, 30])),
      { ...CLEAN, images: [...CLEAN.images, { ...CLEAN.images[0], id: 9 }] },
    ]
    for (const annotations of planted) expect(datasetFaults(annotations, D0)).toHaveLength(1)
  })

  it('may be in another split, or in the folder', () => {
    const others = [{ images: [{ id: 4, file_name: '2.jpg' }], categories: [], annotations: [] }]
    const exists = (name: string) => name !== '3.jpg'
    expect(kindsOf(datasetFaults(CLEAN, D0, { others, exists }))).toEqual([
      ['picture-twice', 1],
      ['picture-missing', 1],
    ])
  })

  it('of size depends on the input', () => {
    const small = also(object(9, 3, [5, 5, 16, 16]))
    expect(kindsOf(datasetFaults(small, D0))).toEqual([['object-size', 1]])
    expect(datasetFaults(small, { ...D0, input: { height: 1024, width: 1024 } })).toEqual([])
  })
})

describe.runIf(hasShared)('real data sets', () => {
  const faultsOf = async (file: string, ...options: string[]) => {
    const { stdout } = await efficientdet(['check-dataset', shared(`data/${file}`), '--json', ...options])
    return JSON.parse(stdout) as DatasetFault[]
  }

  it('have no fault, or the one that they have', async () => {
    expect(
      await faultsOf('bccd/instances_train.json', '--other', shared('data/bccd/instances_test.json')),
    ).toEqual([])
    const [edge, ...others] = await faultsOf('shape/instances_train.json')
    expect([edge, others]).toEqual([expect.objectContaining({ kind: 'box-outside' }), []])
    expect(edge.count).toBeGreaterThan(200)
    // Its people are as small as 2 pixels, and some show an arm alone.
    const kinds = kindsOf(await faultsOf('person/train.json', '--variant', 'lite0')).map(([kind]) => kind)
    expect(kinds).toEqual(['object-size', 'aspect-ratio'])
  })
})

describe('check-dataset', () => {
  it('tells faults, a line each, with the exit code 1', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'images'))
    for (const name of ['1.jpg', '2.jpg']) await writeFile(join(folder, 'images', name), '')
    const file = join(folder, 'gt.json')
    await writeFile(file, JSON.stringify(CLEAN))
    const clean = await efficientdet(['check-dataset', file])
    expect(clean).toMatchObject({ code: 0, stdout: `${file}: nothing wrong was found.\n`, stderr: '' })
    const { code, stdout } = await efficientdet(['check-dataset', file, '--images', join(folder, 'images')])
    expect([code, stdout]).toEqual([1, 'picture-missing (1): Pictures are not in the folder: 3.jpg.\n'])
  })

  it('refuses what is none', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'gt.json')
    for (const text of ['[]', '{"images": []}', '{', '7']) {
      await writeFile(file, text)
      const { code, stderr } = await efficientdet(['check-dataset', file])
      expect([code, stderr]).toEqual([1, expect.stringMatching(/\[ERR_ANNOTATIONS\]\n$/)])
    }
    await writeFile(file, JSON.stringify(CLEAN))
    const { code, stderr } = await efficientdet(['check-dataset', file, '--images', join(folder, 'none')])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/the folder cannot be read.*\[ERR_IMAGE\]/)])
  })

  it('judges or refuses whatever annotations become', () => {
    const rng = random(21)
    const seed = Buffer.from(JSON.stringify(CLEAN))
    let judged = 0
    for (let i = 0; i < 2000; i++) {
      const bytes = derived(seed, seed, ['null', '[', ']', '{}', '"id":', '1e999', '-1', '"bbox":', ','], rng)
      let annotations: unknown
      try {
        annotations = JSON.parse(Buffer.from(bytes).toString())
      } catch {
        continue
      }
      try {
        datasetFaults(annotations, D0)
        judged++
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_ANNOTATIONS' })
      }
    }
    expect(judged).toBeGreaterThan(20)
  })
})
