import { link, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EfficientDetError } from './errors.js'
import { abandonedFiles, partialName } from './partial-file.js'

/**
 * What happens to a link under the name of a file that is written:
 *
 * - `keep`, for names that a caller gave, writes to what it names
 * - `replace`, for names that are ours in folders where others may write, puts the file in its place
 */
export type Links = 'keep' | 'replace'

/** A file that is written aside until it is whole. */
export interface StagedFile {
  /** Its name in the end. */
  readonly path: string
  /** Its name until then. */
  readonly partial: string
}

/**
 * Writes a file whole or not at all: aside, to the disk, and only then to its name.
 *
 * @param output a path, or a file that the caller's caller has staged
 * @throws EfficientDetError ERR_OUTPUT, the signal's reason; nothing is left then
 */
export async function writeFileAtomically(
  output: string | StagedFile,
  parts: Iterable<Uint8Array>,
  signal?: AbortSignal,
  links: Links = 'keep',
): Promise<void> {
  if (typeof output === 'string') {
    return stageFile(output, (staged) => writeFileAtomically(staged, parts, signal), links)
  }
  try {
    const handle = await open(output.partial, 'wx')
    try {
      for (const part of parts) await handle.writeFile(part, { signal })
      // A name on the disk before its bytes would be a half file after a power cut.
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    signal?.throwIfAborted()
    throw outputError(output, cause)
  }
}

/**
 * Writes a file whole, or not at all where something has its name: of several that try, one does.
 *
 * @returns whether it was written
 * @throws EfficientDetError ERR_OUTPUT
 */
export async function createFileAtomically(path: string, bytes: Uint8Array): Promise<boolean> {
  const staged = { path, partial: partialName(path) }
  try {
    await writeFileAtomically(staged, [bytes])
    await link(staged.partial, path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause instanceof EfficientDetError ? cause : outputError(staged, cause)
  } finally {
    await rm(staged.partial, { force: true }).catch(() => {})
  }
}

/**
 * Lets something write a file aside, then names it, or removes it on failure, even that of an ended thread. What
 * killed processes left in the folder goes too.
 *
 * @throws EfficientDetError ERR_OUTPUT; what `write` throws
 */
export async function stageFile<T>(
  path: string,
  write: (staged: StagedFile) => Promise<T>,
  links: Links = 'keep',
): Promise<T> {
  const target = links === 'keep' ? await targetOf(path) : path
  await removeAbandoned(dirname(target))
  const staged = { path, partial: partialName(target) }
  try {
    const result = await write(staged)
    await rename(staged.partial, target).catch((cause) => {
      throw outputError(staged, cause)
    })
    return result
  } catch (error) {
    // The first failure is the one to tell where even this fails, as below a regular file.
    await rm(staged.partial, { force: true }).catch(() => {})
    throw error
  }
}

/** @throws EfficientDetError ERR_OUTPUT where two paths name one file, which would be lost */
export async function checkOutput(output: string, input: string): Promise<void> {
  const [written, read] = await Promise.all([output, input].map((path) => stat(path).catch(() => null)))
  if (written === null || read === null || written.ino !== read.ino || written.dev !== read.dev) return
  throw new EfficientDetError('ERR_OUTPUT', `${output} is the file that is read. Name another one to write.`)
}

/** The file that a link names, so that the link stays. @throws EfficientDetError ERR_OUTPUT for what is no file */
async function targetOf(path: string): Promise<string> {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return path
  if (stats.isFile()) return realpath(path)
  const kind = stats.isDirectory() ? 'a folder' : 'a device or pipe'
  throw new EfficientDetError('ERR_OUTPUT', `${path} cannot be written (it is ${kind}, not a file).`)
}

/** Folders that were cleaned, once in a process: folders may be large, and killed processes are rare. */
const cleaned = new Map<string, Promise<void>>()

function removeAbandoned(folder: string): Promise<void> {
  const done = cleaned.get(folder) ?? clean(folder)
  cleaned.set(folder, done)
  return done
}

async function clean(folder: string): Promise<void> {
  for (const path of await abandonedFiles(folder)) await rm(path, { force: true }).catch(() => {})
}

function outputError({ path, partial }: StagedFile, cause: unknown): EfficientDetError {
  const reason = (cause as Error).message.replaceAll(partial, path)
  return new EfficientDetError('ERR_OUTPUT', `${path} cannot be written (${reason}).`, { cause })
}
