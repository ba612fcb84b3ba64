import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { cacheFolder } from '../base/cache-folder.js'
import { EfficientDetError } from '../base/errors.js'
import { makeFolder } from '../base/folder.js'
import { abandonedFiles, partialName } from '../base/partial-file.js'
import { downloadUrl, type OfficialModel } from './official.js'

export interface PullOptions {
  /** A folder on a server that has the files under their own names, instead of effdet's release. */
  readonly mirror?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Bytes so far, and of the whole file where the server tells. */
  readonly onProgress?: (received: number, total: number | null) => void
}

export interface Pulled {
  readonly path: string
  /** Whether it was there already. */
  readonly cached: boolean
}

/**
 * Brings official weights into the cache folder: continues an interrupted download, verifies the SHA-256, and
 * only then gives the file its name. Several processes may do so at once; each has its own unfinished file.
 *
 * @throws EfficientDetError ERR_DOWNLOAD, ERR_OUTPUT; the signal's reason
 */
export async function pullModel(
  model: OfficialModel,
  { mirror, signal, onProgress = () => {} }: PullOptions = {},
): Promise<Pulled> {
  signal?.throwIfAborted()
  const folder = cacheFolder()
  const path = join(folder, model.file)
  const partial = partialName(path)
  inUse.add(partial)
  try {
    try {
      await makeFolder(folder)
      if (await verifies(path, model, signal)) return { path, cached: true }
      await adopt(folder, model.file, partial)
    } catch (cause) {
      signal?.throwIfAborted()
      throw outputError(folder, cause)
    }
    const url = downloadUrl(model, mirror)
    const continued = await download(url, partial, path, signal, onProgress)
    if (continued && !(await verifies(partial, model, signal))) {
      // What was continued may not have been a part of this file: once more from its beginning.
      await rm(partial, { force: true })
      await download(url, partial, path, signal, onProgress)
    }
    const found = await sha256(partial, signal)
    if (!found.startsWith(model.sha256)) {
      await rm(partial, { force: true })
      throw new EfficientDetError(
        'ERR_DOWNLOAD',
        `${url} gave a file with SHA-256 ${found}; expected ${model.sha256}${model.sha256.length < 64 ? '…' : ''}. Nothing was kept; try again.`,
      )
    }
    await rename(partial, path).catch((cause) => {
      throw outputError(folder, cause)
    })
    return { path, cached: false }
  } finally {
    inUse.delete(partial)
  }
}

/** Unfinished files that this process writes now; it may continue those of its earlier tries. */
const inUse = new Set<string>()

/**
 * Takes over an unfinished file whose writer has ended. A damaged one under the final name stays until it is
 * replaced: another process may have put a good one there in the meantime.
 */
async function adopt(folder: string, file: string, partial: string): Promise<void> {
  const [first, ...others] = await abandonedFiles(folder, file, (path) => !inUse.has(path))
  // Another process may be quicker; then this one begins anew.
  if (first !== undefined) await rename(first, partial).catch(() => {})
  for (const other of others) await rm(other, { force: true })
}

/** @returns whether it went on from what was there */
async function download(
  url: string,
  partial: string,
  path: string,
  signal: AbortSignal | undefined,
  onProgress: (received: number, total: number | null) => void,
): Promise<boolean> {
  const begun = await sizeOf(partial)
  try {
    const response = await fetch(url, {
      signal: signal ?? null,
      headers: begun > 0 ? { Range: `bytes=${begun}-` } : {},
    })
    // The server has nothing beyond what is here: the sum will tell whether that is all.
    if (response.status === 416) return true
    if (!response.ok || response.body === null)
      throw new Error(`the server answered ${response.status} ${response.statusText}`)
    const continued = response.status === 206
    let received = continued ? begun : 0
    const length = Number(response.headers.get('content-length'))
    const total = length > 0 ? received + length : null
    const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>)
    body.on('data', (chunk: Uint8Array) => {
      received += chunk.length
      onProgress(received, total)
    })
    await pipeline(body, createWriteStream(partial, { flags: continued ? 'a' : 'w', flush: true }))
    return continued
  } catch (cause) {
    signal?.throwIfAborted()
    // Failures of files name their system call; those of the network are hidden in the cause of another error.
    if ((cause as NodeJS.ErrnoException).syscall !== undefined) throw outputError(dirname(path), cause)
    const reason = [cause, (cause as Error).cause]
      .map((error) => (error as Error | undefined)?.message)
      .filter(Boolean)
    throw new EfficientDetError(
      'ERR_DOWNLOAD',
      `${url} cannot be downloaded (${reason.join(': ')}). What arrived is kept, and the next try continues it. ` +
        `By hand: download it on another machine and put it at ${path}.`,
      { cause },
    )
  }
}

async function verifies(
  path: string,
  model: OfficialModel,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return (await sizeOf(path)) > 0 && (await sha256(path, signal)).startsWith(model.sha256)
}

async function sha256(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path), hash, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
  return hash.digest('hex')
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

function outputError(folder: string, cause: unknown): EfficientDetError {
  const { message } = cause as Error
  return new EfficientDetError(
    'ERR_OUTPUT',
    `The model cache ${folder} cannot be used (${message}). Set EFFICIENTDET_CACHE to a folder that can be written.`,
    { cause },
  )
}
