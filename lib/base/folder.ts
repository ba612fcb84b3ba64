import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it, one by one.
 *
 * Node's recursive call asks a file system that takes no folders, such as /proc, for ever, and says of a read-only one
 * that the folder is not there.
 *
 * @throws the system's error
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (await isFolder(path)) return
    const above = dirname(path)
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT' && above !== path
    if (!isMissing || (await isFolder(above))) throw error
    await makeFolder(above)
    await makeFolder(path)
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
}
