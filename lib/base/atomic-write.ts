import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { EfficientDetError } from './errors.js'

/**
 * Writes a file whole or not at all: aside, to the disk, and only then to its name.
 *
 * @throws EfficientDetError ERR_OUTPUT, and nothing is left
 */
export async function writeWhole(path: string, ...parts: readonly Uint8Array[]): Promise<void> {
  await replaceFile(path, parts, (reason) => `${path} cannot be written (${reason}).`)
}

/**
 * As `writeWhole`, of parts that are made one after another.
 *
 * @param message of the error, from the system's reason
 */
export async function replaceFile(
  path: string,
  parts: Iterable<Uint8Array>,
  message: (reason: string) => string,
): Promise<void> {
  const partial = partialName(path)
  try {
    const handle = await open(partial, 'wx')
    try {
      for (const part of parts) await handle.writeFile(part)
      // A name on the disk before its bytes would be a half file after a power cut.
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, path)
  } catch (cause) {
    // Where even this fails, as below a regular file, the first failure is the one to tell.
    await rm(partial, { force: true }).catch(() => {})
    throw new EfficientDetError('ERR_OUTPUT', message((cause as Error).message), { cause })
  }
}

/** What unfinished files of this machine end with, then a random part. */
export const PARTIAL = `.partial-${hostname()}-`

function partialName(path: string): string {
  return `${path}${PARTIAL}${randomBytes(6).toString('hex')}`
}
