import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { EfficientDetError } from '../base/errors.js'
import { isImageName } from '../image/image-name.js'

/**
 * Files of a folder and those below that are named like pictures, always in the same order; hidden ones are left out.
 *
 * Holds no more names than those of one folder and the folders above it.
 *
 * @throws EfficientDetError ERR_SOURCES; the signal's reason
 */
export async function* walk(folder: string, signal: AbortSignal): AsyncGenerator<string> {
  signal.throwIfAborted()
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name)
    // A folder may be named like a picture too.
    if (entry.isDirectory()) yield* walk(path, signal)
    else if (isImageName(entry.name)) yield path
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new EfficientDetError('ERR_SOURCES', `${folder}: the folder cannot be read (${cause.message}).`, {
      cause,
    })
  })
  return entries
    .filter(({ name }) => !name.startsWith('.'))
    .sort(({ name: a }, { name: b }) => (a < b ? -1 : a > b ? 1 : 0))
}
