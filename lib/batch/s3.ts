import { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import { EfficientDetError } from '../base/errors.js'
import { importPeer } from '../base/peer.js'
import { isImageName } from '../image/image-name.js'
import type { Entry } from './entry.js'

/** A bucket, and a key or the beginning of keys. */
export interface S3Location {
  readonly bucket: string
  readonly key: string
}

/** The parts of `s3://bucket/key`; null for another text. */
export function s3Location(text: string): S3Location | null {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(text)
  return match && { bucket: match[1], key: match[2] }
}

/** AWS's client: signing, retries, credentials of all kinds. Reads its usual variables, AWS_ENDPOINT_URL_S3 included. */
export type S3 = { readonly sdk: typeof import('@aws-sdk/client-s3'); readonly client: S3Client }

let shared: Promise<S3> | null = null

/** One client for the process, made when it is first needed. @throws EfficientDetError ERR_PACKAGE_FILE */
export function s3(): Promise<S3> {
  shared ??= open()
  return shared
}

async function open(): Promise<S3> {
  const sdk = await importPeer('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'))
  // Servers other than Amazon's have no host for each bucket.
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL
  return { sdk, client: new sdk.S3Client({ forcePathStyle: endpoint !== undefined }) }
}

/**
 * The pictures below a prefix, in the order of their keys, a thousand at a time.
 *
 * @throws EfficientDetError ERR_SOURCES; the signal's reason
 */
export async function* s3Entries({ bucket, key }: S3Location, signal: AbortSignal): AsyncGenerator<Entry> {
  const { sdk, client } = await s3()
  let token: string | undefined
  do {
    const command = new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: key, ContinuationToken: token })
    const page = await client.send(command, { abortSignal: signal }).catch((cause: Error) => {
      signal.throwIfAborted()
      throw new EfficientDetError(
        'ERR_SOURCES',
        `s3://${bucket}/${key} cannot be listed (${cause.message || cause.name}).`,
        { cause },
      )
    })
    for (const { Key: name } of page.Contents ?? []) {
      if (name !== undefined && isImageName(name)) yield { uri: `s3://${bucket}/${name}` }
    }
    token = page.NextContinuationToken
  } while (token !== undefined)
}

/** An object's bytes, fetched when they are first asked for. */
export function s3Object({ bucket, key }: S3Location, signal: AbortSignal): Readable {
  async function* bytes() {
    const { sdk, client } = await s3()
    const command = new sdk.GetObjectCommand({ Bucket: bucket, Key: key })
    const { Body } = await client.send(command, { abortSignal: signal })
    yield* Body as Readable
  }
  return Readable.from(bytes(), { objectMode: false })
}
