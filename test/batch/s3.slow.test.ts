import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, jsonLines, type Run } from '../helpers/cli.js'
import { hasMoto, startMoto } from '../helpers/moto.js'
import { photographs } from './photographs.js'

const BUCKET = 'pictures'

/** A server with pictures in a bucket, and the command line that uses it. */
async function server() {
  const url = await startMoto()
  const env = {
    AWS_ENDPOINT_URL_S3: url,
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_REGION: 'us-east-1',
    // The SDK warns of Node 20's age.
    NODE_NO_WARNINGS: '1',
  }
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' }
  const client = new S3Client({ endpoint: url, region: 'us-east-1', forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  const folder = await photographs(7)
  for (const name of await readdir(folder)) {
    const Body = await readFile(join(folder, name))
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `2026/${name}`, Body }))
  }
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: '2026/text.jpg', Body: 'no picture' }))
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: '2026/notes.md', Body: 'no picture' }))
  const names = async (prefix: string) => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }))
    return Contents.map(({ Key }) => Key!)
  }
  const text = async (key: string) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }))
    return Body!.transformToString()
  }
  const score = (out: string, ...more: string[]): Promise<Run> =>
    efficientdet(
      [
        ...['score', `s3://${BUCKET}/2026/`, '--out', out, '--shard-size', '3', '--input-size', '64'],
        ...['--score-threshold', '0.02', '--json', ...more],
      ],
      { env },
    )
  return { client, folder, names, text, score, env }
}

describe.runIf(hasMoto)('a bucket', () => {
  it('is scored into another prefix as a folder is, and goes on where it was', async () => {
    const { client, folder, names, text, score } = await server()
    const out = `s3://${BUCKET}/scores`
    const first = await score(out)
    expect(first).toMatchObject({ code: 3, stderr: '' })
    expect(jsonLines(first).at(-1)).toMatchObject({ pictures: 8, errors: 1, skipped: 0, isComplete: true })
    expect(await names('scores/')).toEqual(
      [
        ...['errors.jsonl', 'errors/part-00002.jsonl', 'manifest.json'],
        ...[0, 1, 2].map((shard) => `manifest/part-0000${shard}.jsonl`),
        ...[0, 1, 2].map((shard) => `part-0000${shard}.jsonl`),
        'run.json',
      ].map((name) => `scores/${name}`),
    )
    // What an upload that broke off leaves is nothing at all.
    const before = await text('scores/part-00001.jsonl')
    await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'scores/part-00001.jsonl' }))
    expect(jsonLines(await score(out)).at(-1)).toMatchObject({ pictures: 8, skipped: 5 })
    expect(await text('scores/part-00001.jsonl')).toBe(before)
    const local = join(await temporaryFolder(), 'out')
    await efficientdet([
      ...['score', folder, '--out', local, '--shard-size', '3', '--input-size', '64'],
      ...['--score-threshold', '0.02'],
    ])
    const strip = (lines: string) => lines.replace(/"uri":"[^"]*\//g, '"uri":"')
    for (const part of ['part-00000.jsonl', 'part-00001.jsonl']) {
      expect(strip(await text(`scores/${part}`))).toBe(strip(await readFile(join(local, part), 'utf8')))
    }
  })

  it('keeps what the first of two machines has put', async () => {
    const { names, text, score } = await server()
    const out = `s3://${BUCKET}/scores`
    const both = await Promise.all([score(out), score(out)])
    expect(both.map(({ code }) => code)).toEqual([3, 3])
    expect((await names('scores/part-')).length).toBe(3)
    const alone = `s3://${BUCKET}/alone`
    await score(alone)
    for (const name of await names('scores/part-')) {
      expect(await text(name)).toBe(await text(name.replace('scores', 'alone')))
    }
  })

  it('that is not there, or another run, is told in words', async () => {
    const { score, env } = await server()
    const out = `s3://${BUCKET}/scores`
    await score(out)
    const other = await score(out, '--max-detections', '3')
    expect(other).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/detect\.maxDetections is 3.*ERR_RUN/),
    })
    const missing = await score('s3://no-such-bucket/scores')
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: .*no-such-bucket.*ERR_OUTPUT/),
    })
    const source = await efficientdet(['score', 's3://no-such-bucket/', '--out', await temporaryFolder()], {
      env,
    })
    expect(source).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: s3:\/\/no-such-bucket.*ERR_SOURCES/),
    })
  })
})
