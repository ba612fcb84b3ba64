import { spawnSync } from 'node:child_process'
import { watch } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Settles with the first file of a folder, which must be there, that has bytes and a name of this kind. */
export async function fileAppears(folder: string, name: RegExp): Promise<string> {
  const controller = new AbortController()
  const changed = new EventTarget()
  const watcher = watch(folder, { signal: controller.signal }, () =>
    changed.dispatchEvent(new Event('change')),
  )
  watcher.on('error', () => {})
  try {
    for (;;) {
      const next = new Promise((resolve) => changed.addEventListener('change', resolve, { once: true }))
      for (const found of (await readdir(folder)).filter((entry) => name.test(entry))) {
        const { size } = await stat(join(folder, found)).catch(() => ({ size: 0 }))
        if (size > 0) return found
      }
      await next
    }
  } finally {
    controller.abort()
  }
}

/** Whether this machine lets tests mount small file systems of their own, as it lets root. */
export const canMount =
  spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

if (!canMount) console.warn('Tests of full and read-only disks are skipped: nothing can be mounted here.')
