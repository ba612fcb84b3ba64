import { spawnSync } from 'node:child_process'
import { watch } from 'node:fs'

/**
 * Settles with a folder's first file with a name of this kind that is written, even if it is gone by then, for the
 * system keeps what happened.
 */
export async function fileIsWritten(folder: string, name: RegExp): Promise<string> {
  const watcher = watch(folder)
  try {
    return await new Promise<string>((resolve) => {
      watcher.on('change', (event, found) => {
        if (event === 'change' && name.test(String(found))) resolve(String(found))
      })
    })
  } finally {
    watcher.close()
  }
}

/** Whether this machine lets tests mount small file systems of their own, as it lets root. */
export const canMount =
  spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

if (!canMount) console.warn('Tests of full and read-only disks are skipped: nothing can be mounted here.')
