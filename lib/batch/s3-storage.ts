import { EfficientDetError } from '../base/errors.js'
import { type S3, type S3Location, s3 } from './s3.js'
import type { Storage } from './storage.js'

/** A prefix in a bucket of S3 or what speaks its language. Objects appear whole; conditional puts decide who is first. */
export class S3Storage implements Storage {
  readonly title: string
  readonly #s3: S3
  readonly #bucket: string
  readonly #prefix: string

  private constructor(s3: S3, { bucket, key }: S3Location) {
    this.#s3 = s3
    this.#bucket = bucket
    this.#prefix = key === '' || key.endsWith('/') ? key : `${key}/`
    this.title = `s3://${bucket}/${this.#prefix}`
  }

  /** @throws EfficientDetError ERR_PACKAGE_FILE */
  static async open(location: S3Location): Promise<S3Storage> {
    return new S3Storage(await s3(), location)
  }

  async has(name: string): Promise<boolean> {
    const { sdk, client } = this.#s3
    try {
      await client.send(new sdk.HeadObjectCommand(this.#object(name)))
      return true
    } catch (cause) {
      if (statusOf(cause) === 404) return false
      throw this.#failed(name, 'cannot be read', cause)
    }
  }

  async read(name: string, maxBytes: number): Promise<Uint8Array | null> {
    const { sdk, client } = this.#s3
    try {
      const { Body, ContentLength = 0 } = await client.send(new sdk.GetObjectCommand(this.#object(name)))
      if (ContentLength > maxBytes) {
        throw new EfficientDetError(
          'ERR_RUN',
          `${this.title}${name} has ${ContentLength} bytes, and ${maxBytes} are the most.`,
        )
      }
      return await Body!.transformToByteArray()
    } catch (cause) {
      if (statusOf(cause) === 404) return null
      throw this.#failed(name, 'cannot be read', cause)
    }
  }

  async *list(folder: string): AsyncIterable<string> {
    const { sdk, client } = this.#s3
    let token: string | undefined
    do {
      const command = new sdk.ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + folder,
        ContinuationToken: token,
      })
      const page = await client.send(command).catch((cause) => {
        throw this.#failed(folder, 'cannot be listed', cause)
      })
      for (const { Key: key } of page.Contents ?? []) yield key!.slice(this.#prefix.length)
      token = page.NextContinuationToken
    } while (token !== undefined)
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#put(name, bytes)
  }

  async create(name: string, bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#put(name, bytes, '*')
      return true
    } catch (error) {
      // 409: another's put of the same name is under way.
      const status = statusOf((error as Error).cause)
      if (status === 412 || status === 409) return false
      throw error
    }
  }

  async remove(name: string): Promise<void> {
    const { sdk, client } = this.#s3
    await client.send(new sdk.DeleteObjectCommand(this.#object(name))).catch((cause) => {
      throw this.#failed(name, 'cannot be removed', cause)
    })
  }

  /** Nobody is kept out: two runs do the same work, and the first to put a shard has it. */
  async claim(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: async () => {} }
  }

  async #put(name: string, bytes: Uint8Array, unless?: '*'): Promise<void> {
    const { sdk, client } = this.#s3
    const command = new sdk.PutObjectCommand({
      ...this.#object(name),
      Body: bytes,
      ...(unless !== undefined && { IfNoneMatch: unless }),
    })
    await client.send(command).catch((cause) => {
      throw this.#failed(name, 'cannot be written', cause)
    })
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + name }
  }

  #failed(name: string, what: string, cause: unknown): Error {
    if (cause instanceof EfficientDetError) return cause
    const { message, name: kind } = cause as Error
    return new EfficientDetError('ERR_OUTPUT', `${this.title}${name} ${what} (${message || kind}).`, {
      cause,
    })
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode
}
