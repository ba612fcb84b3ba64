import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import {
  type Addon,
  addonFolder,
  type Fault,
  type Library,
  loadAddon,
  type NativeProbe,
} from '../../binding/addon.js'
import type { BackendName } from '../backend.js'
import { unavailable } from '../unavailable.js'

/** A backend library that was opened, and what it found. */
export interface NativeLibrary {
  readonly addon: Addon
  readonly library: Library
  readonly path: string
  readonly probe: NativeProbe
  /** Further files of the search that are there; none of them was opened. */
  readonly others: readonly string[]
}

export interface LibrarySearch {
  /** Names beside the addon, or absolute paths; the first that will do is taken. */
  readonly files: readonly string[]
  /** Where the libraries below are; null where the system looks. */
  readonly libraryPath: string | null
  /** Whether it shall run engines, or only build them, which some can without a GPU. */
  readonly purpose: 'run' | 'build'
  readonly remedy: string
}

/** @throws EfficientDetError ERR_BACKEND_UNAVAILABLE that tells of every file what was found */
export async function findLibrary(
  name: BackendName,
  { files, libraryPath, purpose, remedy }: LibrarySearch,
): Promise<NativeLibrary> {
  let addon: Addon
  let folder: string
  try {
    addon = loadAddon()
    folder = addonFolder()
  } catch (error) {
    const { message } = error as Error
    throw unavailable(
      name,
      `the addon cannot be loaded (${message.trim().replace(/\s*\n\s*/g, '; ')})`,
      remedy,
    )
  }
  const reasons: string[] = []
  const faults: Fault[] = []
  const paths = files.map((file) => (isAbsolute(file) ? file : join(folder, file)))
  for (const [i, path] of paths.entries()) {
    if (!existsSync(path)) {
      reasons.push(`there is no ${path}`)
      continue
    }
    try {
      const library = addon.openLibrary(path)
      const probe = await addon.probe(library, libraryPath)
      if (probe.reason === null || (purpose === 'build' && probe.canBuild)) {
        return {
          addon,
          library,
          path,
          probe,
          others: paths.slice(i + 1).filter((other) => existsSync(other)),
        }
      }
      reasons.push(probe.reason)
      if (probe.fault !== null) faults.push(probe.fault)
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  throw unavailable(name, reasons.join('; '), remedy, faults)
}
