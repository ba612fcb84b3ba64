import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a folder and those above it. @throws the system's error */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw (await readOnlyError(path)) ?? error
  }
}

/** Asks again by the plain call: of a read-only file system the recursive one says that the folder is not there. */
async function readOnlyError(path: string): Promise<Error | null> {
  let missing = path
  for (let above = dirname(path); above !== missing && !(await exists(above)); above = dirname(above)) {
    missing = above
  }
  return mkdir(missing).then(
    () => null,
    (error: NodeJS.ErrnoException) => (error.code === 'EROFS' ? error : null),
  )
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
