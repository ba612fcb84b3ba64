import { spawnSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { score } from '#lib/batch/index.js'
import { type DetectionResult, EfficientDet } from '#lib/index.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { ROOT, run } from '../helpers/cli.js'
import { photographs } from './photographs.js'

const env = { PYTHONPATH: join(ROOT, '.cache', 'readers') }
const IMPORTS = 'import duckdb, json, pandas, pyarrow.parquet, sys; from pycocotools.coco import COCO'
const hasReaders = spawnSync('python3', ['-c', IMPORTS], { env: { ...process.env, ...env } }).status === 0

if (!hasReaders) {
  console.warn(
    'Tests of what reads results are skipped: pip3 install --target .cache/readers duckdb pyarrow pandas pycocotools.',
  )
}

const load = { inputSize: 64, threads: 1, backend: 'cpu' } as const
const detect = { scoreThreshold: 0.02, maxDetections: 5 }

/** What a script of Python prints as JSON of the results in a folder. */
async function python<T>(script: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run('python3', ['-c', `${IMPORTS}\n${script}`, ...args], { env })
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout.split('\n').at(-2)!)
}

describe.runIf(hasReaders)('results', () => {
  it('as Parquet are read by DuckDB, pyarrow and pandas', async () => {
    const { folder, out, expected } = await scored('parquet')
    const detections = expected.flatMap(({ detections }) => detections)
    const [duckdb, pyarrow, pandas] = await python<unknown[]>(
      `
out = sys.argv[1]
joined = duckdb.sql(f"""select i.uri, d.label, d.score, d.x2 from '{out}/detections/*.parquet' d
  join '{out}/images/*.parquet' i using (uri) order by i.shard, i.number, d.score desc""").fetchall()
table = pyarrow.parquet.read_table(f'{out}/detections')
frame = pandas.read_parquet(f'{out}/images')
print(json.dumps([joined, [str(table.schema.field('score').type), table.num_rows, sorted(table['x1'].to_pylist())],
  [frame['width'].sum().item(), sorted(frame['uri']), frame['detections'].sum().item()]]))`,
      out,
    )
    expect(duckdb).toEqual(
      expected.flatMap(({ source, detections }) =>
        detections.map(({ label, score, box }) => [source, label, score, box[2]]),
      ),
    )
    const lefts = detections.map(({ box }) => box[0]).sort((a, b) => a - b)
    expect(pyarrow).toEqual(['float', detections.length, lefts])
    const names = (await readdir(folder)).sort().map((name) => join(folder, name))
    expect(pandas).toEqual([128 * expected.length, names, detections.length])
  })

  it("as COCO's are read by pycocotools", async () => {
    const { out, expected } = await scored('coco')
    const counts = await python<number[]>(
      `
truth = COCO()
truth.dataset = {'images': [{'id': i} for i in range(${expected.length})], 'annotations': [],
  'categories': [{'id': 1, 'name': 'person'}], 'info': {}}
truth.createIndex()
import glob
rows = [row for name in sorted(glob.glob(f'{sys.argv[1]}/part-*.json')) for row in json.load(open(name))]
found = truth.loadRes(rows)
print(json.dumps([len(found.getAnnIds(imgIds=[i])) for i in range(${expected.length})]))`,
      out,
    )
    expect(counts).toEqual(expected.map(({ detections }) => detections.length))
  })
})

/** A run over ten photographs in three shards, and what `detectBatch` finds in them. */
async function scored(format: 'parquet' | 'coco') {
  const folder = await photographs(10)
  const out = join(await temporaryFolder(), 'out')
  await score({ sources: [folder], out, format, shardSize: 4, load, detect })
  await using detector = await EfficientDet.load('person', load)
  const paths = (await readdir(folder)).sort().map((name) => join(folder, name))
  const expected = (await detector.detectBatch(paths, detect)) as DetectionResult[]
  return { folder, out, expected }
}
