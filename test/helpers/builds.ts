import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Files of engines in a cache folder, and those that are neither engines nor timing caches. */
export async function kept(cache: string): Promise<{ engines: string[]; others: string[] }> {
  const names = await readdir(join(cache, 'engines')).catch(() => [])
  return {
    engines: names.filter((name) => name.endsWith('.engine')),
    others: names.filter((name) => !/\.(engine|timing)$/.test(name)),
  }
}
