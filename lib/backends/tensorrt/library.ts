import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { BackendName } from '../backend.js'
import { unavailable } from '../unavailable.js'
import { type Addon, addonFolder, type Fault, type Library, loadAddon, type NativeProbe } from './addon.js'

/** A backend library that was opened, and what it found. */
export interface NativeLibrary {
  readonly addon: Addon
  readonly library: Library
  readonly path: string
  readonly probe: NativeProbe
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
  const reasons: string[] = []
  const faults: Fault[] = []
  for (const file of files) {
    const library = await openLibrary(name, file, { libraryPath, remedy })
    if (typeof library === 'string') {
      reasons.push(library)
      continue
    }
    const { reason, fault, canBuild } = library.probe
    if (reason === null || (purpose === 'build' && canBuild)) return library
    reasons.push(reason)
    if (fault !== null) faults.push(fault)
  }
  throw unavailable(name, sentences(reasons), remedy, faults)
}

/**
 * Opens a backend library and lets it look around.
 *
 * @returns why it cannot be opened, where it cannot
 * @throws EfficientDetError ERR_BACKEND_UNAVAILABLE where no library can be opened, because the addon cannot
 */
export async function openLibrary(
  name: BackendName,
  file: string,
  { libraryPath, remedy }: Pick<LibrarySearch, 'libraryPath' | 'remedy'>,
): Promise<NativeLibrary | string> {
  const { addon, folder } = openAddon(name, remedy)
  const path = isAbsolute(file) ? file : join(folder, file)
  if (!existsSync(path)) return `There is no ${path}.`
  try {
    const library = addon.openLibrary(path)
    return { addon, library, path, probe: await addon.probe(library, libraryPath) }
  } catch (error) {
    return (error as Error).message
  }
}

function openAddon(name: BackendName, remedy: string): { addon: Addon; folder: string } {
  try {
    return { addon: loadAddon(), folder: addonFolder() }
  } catch (error) {
    const { message } = error as Error
    throw unavailable(
      name,
      `the addon cannot be loaded (${message.trim().replace(/\s*\n\s*/g, '; ')})`,
      remedy,
    )
  }
}

/** Each with its full stop, but the last. */
export function sentences(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/[.]$/, '')).join('. ')
}
