import { existsSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'shared')

/** Whether the folder of real pictures and weights, which are not part of the repository, lies beside it. */
export const hasShared = existsSync(FOLDER)

if (!hasShared) console.warn(`Tests with real data are skipped: there is no ${FOLDER}.`)

/** The path of a file in it, such as `data/golden-d0/zylo-d0.pth`. */
export function shared(path: string): string {
  return join(FOLDER, path)
}
