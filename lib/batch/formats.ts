import { basename, extname } from 'node:path'
import type { DetectionResult } from '../api/result.js'
import { importPeer } from '../base/peer.js'
import type { BatchFormat } from '../options/batch.js'
import type { Entry } from './entry.js'
import { shardName } from './shard-name.js'

/** A picture that was scored, and its place in its shard. */
export interface Scored {
  readonly entry: Entry
  readonly number: number
  readonly result: Pick<DetectionResult, 'width' | 'height' | 'detections' | 'warnings'>
}

export interface OutputFile {
  readonly name: string
  readonly bytes: Uint8Array
}

interface Format {
  /** @throws EfficientDetError ERR_PACKAGE_FILE where a package that it needs is not installed */
  readonly checkPackages: () => Promise<unknown>
  /** Name of the file that, once there, says that a shard is done: the last to be written. */
  readonly doneName: (shard: number) => string
  /** Files of a shard; the last is that of `doneName`. */
  readonly encode: (shard: number, pictures: readonly Scored[]) => Promise<OutputFile[]>
}

const jsonl: Format = {
  checkPackages: async () => {},
  doneName: (shard) => shardName('', shard, '.jsonl'),
  encode: async (shard, pictures) => {
    const lines = pictures.map(({ entry: { uri, id }, result: { width, height, detections, warnings } }) =>
      JSON.stringify({ uri, id, width, height, detections, ...(warnings.length > 0 && { warnings }) }),
    )
    return [{ name: jsonl.doneName(shard), bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')) }]
  },
}

/** COCO's results, a list for each shard; pictures without detections leave nothing there. */
const coco: Format = {
  checkPackages: async () => {},
  doneName: (shard) => shardName('', shard, '.json'),
  encode: async (shard, pictures) => {
    const lines = pictures.flatMap(({ entry, result }) =>
      result.detections.map(({ classId, score, box: [x1, y1, x2, y2] }) =>
        JSON.stringify({
          image_id: imageId(entry),
          category_id: classId + 1,
          bbox: [x1, y1, x2 - x1, y2 - y1],
          score,
        }),
      ),
    )
    return [{ name: coco.doneName(shard), bytes: Buffer.from(`[${lines.join(',\n')}]\n`) }]
  },
}

/** The caller's id, or the file's name without its ending: a number where it is one, as in COCO's own names. */
function imageId({ uri, id }: Entry): string | number {
  if (id !== undefined) return id
  const name = basename(uri.slice(uri.lastIndexOf('!') + 1))
  const stem = name.slice(0, name.length - extname(name).length)
  return /^\d{1,15}$/.test(stem) ? Number(stem) : stem
}

/** Pure JavaScript; others bring 15 MB of WebAssembly, or a database. */
function parquetWriter() {
  return importPeer('hyparquet-writer', () => import('hyparquet-writer'))
}

/** One table of pictures and one of detections, which share `uri`. */
const parquet: Format = {
  checkPackages: parquetWriter,
  doneName: (shard) => shardName('images/', shard, '.parquet'),
  encode: async (shard, pictures) => {
    const { parquetWriteBuffer } = await parquetWriter()
    const rows = pictures.flatMap(({ entry, result }) =>
      result.detections.map((detection) => ({ uri: entry.uri, ...detection })),
    )
    const side = (i: number) => rows.map(({ box }) => box[i])
    const detections = parquetWriteBuffer({
      columnData: [
        { name: 'uri', type: 'STRING', nullable: false, data: rows.map(({ uri }) => uri) },
        { name: 'label', type: 'STRING', nullable: false, data: rows.map(({ label }) => label) },
        { name: 'class_id', type: 'INT32', nullable: false, data: rows.map(({ classId }) => classId) },
        { name: 'score', type: 'FLOAT', nullable: false, data: rows.map(({ score }) => score) },
        { name: 'x1', type: 'FLOAT', nullable: false, data: side(0) },
        { name: 'y1', type: 'FLOAT', nullable: false, data: side(1) },
        { name: 'x2', type: 'FLOAT', nullable: false, data: side(2) },
        { name: 'y2', type: 'FLOAT', nullable: false, data: side(3) },
      ],
    })
    const images = parquetWriteBuffer({
      columnData: [
        { name: 'uri', type: 'STRING', nullable: false, data: pictures.map(({ entry }) => entry.uri) },
        {
          name: 'id',
          type: 'STRING',
          data: pictures.map(({ entry: { id } }) => (id === undefined ? null : String(id))),
        },
        { name: 'shard', type: 'INT32', nullable: false, data: pictures.map(() => shard) },
        { name: 'number', type: 'INT32', nullable: false, data: pictures.map(({ number }) => number) },
        { name: 'width', type: 'INT32', nullable: false, data: pictures.map(({ result }) => result.width) },
        { name: 'height', type: 'INT32', nullable: false, data: pictures.map(({ result }) => result.height) },
        {
          name: 'detections',
          type: 'INT32',
          nullable: false,
          data: pictures.map(({ result }) => result.detections.length),
        },
        {
          name: 'warnings',
          type: 'STRING',
          data: pictures.map(({ result: { warnings } }) =>
            warnings.length === 0 ? null : warnings.join('\n'),
          ),
        },
      ],
    })
    return [
      { name: shardName('detections/', shard, '.parquet'), bytes: new Uint8Array(detections) },
      { name: parquet.doneName(shard), bytes: new Uint8Array(images) },
    ]
  },
}

export const FORMATS: Readonly<Record<BatchFormat, Format>> = { jsonl, parquet, coco }
