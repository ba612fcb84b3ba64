import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { cacheFolder } from '../base/cache-folder.js'
import { EfficientDetError } from '../base/errors.js'
import { makeFolder } from '../base/folder.js'
import { FileProblem, openFile } from '../base/open-file.js'
import { abandonedFiles, partialName } from '../base/partial-file.js'
import { type DownloadOptions, download } from './download.js'
import { downloadUrl, hasWholeSum, type OfficialModel } from './official.js'

export interface PullOptions extends Partial<Omit<DownloadOptions, 'maxBytes'>> {
  /** A folder on a server that has the files under their own names, instead of effdet's release. */
  readonly mirror?: string | undefined
  /** Whether the mirror may also give models of whose SHA-256 only eight digits are known. Defaults to false. */
  readonly trustMirror?: boolean
  /** Looks at a file before it gets its name, and throws where it is no such model. */
  readonly check?: (path: string) => Promise<void>
}

export interface Pulled {
  readonly path: string
  /** Whether it was there already. */
  readonly cached: boolean
  /** What was compared with what is known, in hexadecimal digits. */
  readonly sha256: string
}

/**
 * Brings official weights into the cache folder: continues an interrupted download, verifies the SHA-256, and only
 * then names the file. Each of several processes has its own unfinished file.
 *
 * @throws EfficientDetError ERR_DOWNLOAD, ERR_INVALID_OPTION, ERR_OUTPUT; the signal's reason
 */
export async function pullModel(model: OfficialModel, options: PullOptions = {}): Promise<Pulled> {
  const { mirror, trustMirror = false, signal } = options
  signal?.throwIfAborted()
  const url = downloadUrl(model, mirror)
  const folder = cacheFolder()
  const path = join(folder, model.file)
  await makeFolder(folder).catch((cause) => {
    throw outputError(folder, cause)
  })
  const there = await wholeFile(path, model, signal)
  if (there !== null) return { path, cached: true, sha256: there }
  if (mirror !== undefined && !trustMirror && !hasWholeSum(model)) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `Of ${model.name} only the first ${model.sha256.length} digits of its SHA-256 are known, which another file can be made to have. ` +
        'Pull it without a mirror, or say that this one is trusted (--trust-mirror).',
    )
  }
  const partial = partialName(path)
  inUse.add(partial)
  try {
    await using file = await begin(folder, model, partial).catch((cause) => {
      throw outputError(folder, cause)
    })
    const sha256 = await fetchWhole(url, model, { partial, path, file }, options).catch(async (error) => {
      if ((await file.stat()).size === 0) await rm(partial, { force: true })
      throw error
    })
    await rename(partial, path).catch((cause) => {
      throw outputError(folder, cause)
    })
    return { path, cached: false, sha256 }
  } finally {
    inUse.delete(partial)
  }
}

/** Unfinished files that this process writes now; it may continue those of its earlier tries. */
const inUse = new Set<string>()

/** A file on its way: its name for now, its name in the end. */
interface Unfinished {
  readonly partial: string
  readonly path: string
  readonly file: FileHandle
}

/** @returns the SHA-256 of what came, which is what was asked for; of anything else nothing is kept */
async function fetchWhole(
  url: URL,
  model: OfficialModel,
  { partial, path, file }: Unfinished,
  { signal, onProgress = () => {}, check = async () => {} }: PullOptions,
): Promise<string> {
  const attempt = () =>
    download(url, file, { maxBytes: model.maxBytes, signal, onProgress }).catch((cause) => {
      signal?.throwIfAborted()
      throw downloadError(url, path, cause)
    })
  const refuse = async (problem: string, cause?: unknown) => {
    await rm(partial, { force: true })
    return new EfficientDetError('ERR_DOWNLOAD', `${url} ${problem} Nothing was kept; try again.`, { cause })
  }
  const known = (sum: string) => sum.startsWith(model.sha256)
  const hadBeginning = (await file.stat()).size > 0
  let outcome = await attempt()
  let sum = await sha256(file, signal)
  if (!known(sum) && outcome !== 'begun' && hadBeginning) {
    // What was continued may not have been a part of this file: once more from its beginning.
    await file.truncate(0)
    outcome = await attempt()
    sum = await sha256(file, signal)
  }
  if (outcome === 'too long') {
    throw await refuse(`gave more than ${model.maxBytes} bytes, the most that ${model.name} has.`)
  }
  if (!known(sum)) {
    const expected = `${model.sha256}${hasWholeSum(model) ? '' : '…'}`
    throw await refuse(`gave a file with SHA-256 ${sum}; expected ${expected}.`)
  }
  await check(partial).catch(async (cause: Error) => {
    signal?.throwIfAborted()
    throw await refuse(`gave a file that is not ${model.name} (${cause.message}).`, cause)
  })
  return sum
}

/**
 * Opens an unfinished file whose writer has ended, under a new name, or a new one. A damaged final one stays until
 * replaced: another process may have mended it.
 */
async function begin(
  folder: string,
  { file, maxBytes }: OfficialModel,
  partial: string,
): Promise<FileHandle> {
  const [first, ...others] = await abandonedFiles(folder, file, (path) => !inUse.has(path))
  for (const other of others) await rm(other, { force: true }).catch(() => {})
  // Another process may be quicker; then this one begins anew.
  const isAdopted =
    first !== undefined &&
    (await rename(first, partial).then(
      () => true,
      () => false,
    ))
  const adopted = isAdopted ? await openOwn(partial, maxBytes) : null
  if (adopted !== null) return adopted
  await rm(partial, { force: true })
  return open(partial, 'wx+')
}

const { O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** Opens a file that this user made and no other name leads to: others may write into a shared folder. Null for the rest. */
async function openOwn(path: string, maxBytes: number): Promise<FileHandle | null> {
  const file = await open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK).catch(() => null)
  if (file === null) return null
  const stats = await file.stat()
  const isOwn = stats.isFile() && stats.nlink === 1 && stats.uid === (process.geteuid?.() ?? stats.uid)
  if (isOwn && stats.size <= maxBytes) return file
  await file.close()
  return null
}

/** @returns its SHA-256 where there is the whole file, which `load` would open, else null */
async function wholeFile(
  path: string,
  model: OfficialModel,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    await using file = await openFile(path, { ours: true })
    // What is too long need not be read.
    if (file.size === 0 || file.size > model.maxBytes) return null
    const sum = await sha256(file.handle, signal)
    return sum.startsWith(model.sha256) ? sum : null
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    // Another file can be put in the place of anything but a folder.
    if (error.obstacle !== 'folder') return null
    throw outputError(dirname(path), new Error(`EISDIR: ${path} ${error.message}`))
  }
}

async function sha256(file: FileHandle, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(file.createReadStream({ start: 0, autoClose: false }), hash, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
  return hash.digest('hex')
}

/** @param cause what went wrong with the network, or with our file, which names its system call */
function downloadError(url: URL, path: string, cause: unknown): EfficientDetError {
  if ((cause as NodeJS.ErrnoException).syscall !== undefined) return outputError(dirname(path), cause)
  // Failures of the network are hidden in the cause of another error.
  const reasons = [cause, (cause as Error).cause].map((error) => (error as Error | undefined)?.message)
  return new EfficientDetError(
    'ERR_DOWNLOAD',
    `${url} cannot be downloaded (${reasons.filter(Boolean).join(': ')}). What arrived is kept, and the next try continues it. ` +
      `By hand: download it on another machine and put it at ${path}.`,
    { cause },
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
