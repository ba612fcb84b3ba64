import { createHash, randomBytes } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Letters of a name that a partial file's name repeats: with the rest of it, below what file systems allow. */
const MOST_LETTERS = 60

/** A new name for what is to become a file, beside it. It tells who writes, so that what killed writers left is known. */
export function partialName(path: string, pid: number = process.pid): string {
  const name = basename(path).slice(0, MOST_LETTERS)
  return join(dirname(path), `${name}.partial-${NAMESPACE}-${pid}-${randomBytes(6).toString('hex')}`)
}

/** Tells apart where process ids count: this machine or, within it, this container. */
const NAMESPACE = createHash('sha256').update(`${hostname()} ${pidNamespace()}`).digest('hex').slice(0, 8)

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

/** Groups: the name, the namespace, the process. */
const PARTIAL = /^(.*)\.partial-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}$/s

/** How long a file of another machine or container, whose clock may be wrong, may lie before it counts as abandoned. */
const ABANDONED_AFTER_MS = 24 * 3600_000

/**
 * Paths of unfinished files whose writers have ended, of all names or of one; none where the folder cannot be read.
 *
 * @param ownIsAbandoned whether a file of this very process counts
 */
export async function abandonedFiles(
  folder: string,
  name?: string,
  ownIsAbandoned: (path: string) => boolean = () => false,
): Promise<string[]> {
  const abandoned: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const match = entry.isFile() ? PARTIAL.exec(entry.name) : null
    if (match === null || (name !== undefined && match[1] !== name.slice(0, MOST_LETTERS))) continue
    const path = join(folder, entry.name)
    const pid = Number(match[3])
    if (match[2] !== NAMESPACE) {
      if (await isOld(path)) abandoned.push(path)
    } else if (pid === process.pid ? ownIsAbandoned(path) : !isAlive(pid)) {
      abandoned.push(path)
    }
  }
  return abandoned
}

/** One that has just gone was taken to its name. */
function isOld(path: string): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > ABANDONED_AFTER_MS,
    () => false,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
