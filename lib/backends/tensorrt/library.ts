import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { LibraryFault, Unavailability } from '../backend.js'
import { type Addon, addonFolder, type Library, loadAddon, type NativeProbe } from './addon.js'
import { isOldDriver } from './gpu-host.js'

/** A backend library that was opened, and what it found. */
export interface NativeLibrary {
  readonly addon: Addon
  readonly library: Library
  readonly path: string
  /** Where the libraries below were looked for; null for where the system looks. */
  readonly libraryPath: string | null
  readonly probe: NativeProbe
}

export interface LibrarySearch {
  /** Names beside the addon, or absolute paths; the first that will do is taken. */
  readonly files: readonly string[]
  /** Where the libraries below are; null where the system looks. */
  readonly libraryPath: string | null
  /** Whether it shall run engines, or only build them, which some can without a GPU. */
  readonly purpose: 'run' | 'build'
  /** Numbers of the GPUs that will be used. Others are told of, and not touched. */
  readonly devices: readonly number[]
}

/** The first library that will do, or what was found of every file. */
export async function findLibrary({
  files,
  libraryPath,
  purpose,
  devices,
}: LibrarySearch): Promise<{ readonly native: NativeLibrary } | Omit<Unavailability, 'remedy'>> {
  const addon = openAddon()
  if (typeof addon === 'string') return { reason: addon, faults: [] }
  const reasons: string[] = []
  const faults: LibraryFault[] = []
  for (const file of files) {
    const library = await openLibrary(addon, file, libraryPath, devices)
    if (typeof library === 'string') {
      reasons.push(library)
      continue
    }
    const { reason, fault, canBuild } = library.probe
    // Known also where TensorRT is missing, which would not help then.
    if (isOldDriver(library.probe) && fault !== 'old-driver') faults.push('old-driver')
    if (reason === null || (purpose === 'build' && canBuild)) return { native: library }
    reasons.push(reason)
    if (fault !== null) faults.push(fault)
  }
  return { reason: sentences(reasons), faults }
}

/**
 * Opens a backend library and lets it look around.
 *
 * @returns why it cannot be opened, where it cannot
 */
export async function openLibrary(
  { addon, folder }: OpenedAddon,
  file: string,
  libraryPath: string | null,
  devices: readonly number[],
): Promise<NativeLibrary | string> {
  const path = isAbsolute(file) ? file : join(folder, file)
  if (!existsSync(path)) return `There is no ${path}.`
  try {
    const library = addon.openLibrary(path)
    const bits = devices.reduce((sum, device) => sum | (1 << device), 0)
    return { addon, library, path, libraryPath, probe: await addon.probe(library, libraryPath, bits) }
  } catch (error) {
    return (error as Error).message
  }
}

export interface OpenedAddon {
  readonly addon: Addon
  readonly folder: string
}

/** The addon, or why it cannot be loaded. */
export function openAddon(): OpenedAddon | string {
  try {
    return { addon: loadAddon(), folder: addonFolder() }
  } catch (error) {
    const { message } = error as Error
    return `the addon cannot be loaded (${message.trim().replace(/\s*\n\s*/g, '; ')})`
  }
}

/** Each with its full stop, but the last. */
export function sentences(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/[.]$/, '')).join('. ')
}
