import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lockBuilds } from '#lib/engines/build-lock.js'
import { enginesFolder } from '#lib/engines/cache.js'

/** Files of engines in a cache folder, and those that are neither engines nor timing caches. */
export async function kept(cache: string): Promise<{ engines: string[]; others: string[] }> {
  const names = await readdir(join(cache, 'engines')).catch(() => [])
  return {
    engines: names.filter((name) => name.endsWith('.engine')),
    others: names.filter((name) => !/\.(engine|timing)$/.test(name)),
  }
}

/** Settles when somebody builds into the cache folder. */
export async function buildBegins(): Promise<void> {
  const controller = new AbortController()
  while (!controller.signal.aborted) {
    const lock = await lockBuilds(enginesFolder(), controller.signal, ({ fraction }) => {
      if (fraction > 0) controller.abort()
    }).catch(() => null)
    await lock?.release()
    await sleep(10)
  }
}
