import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { extname, isAbsolute, join } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { EfficientDetError } from '../base/errors.js'
import { isImageName } from '../image/image-name.js'

/** The source that is standard input. */
export const STDIN = '-'

export interface ImageFiles {
  readonly images: readonly string[]
  /** What was left out, one note for each folder or pattern. */
  readonly notes: readonly string[]
}

/**
 * The images that arguments stand for, each once and in order: a file, a folder's files named like images, or a glob
 * pattern's matches. Hidden files are left out.
 *
 * @throws EfficientDetError ERR_IMAGE for a folder or pattern without images; the signal's reason
 */
export async function listImages(args: readonly string[], signal: AbortSignal): Promise<ImageFiles> {
  const lists = await Promise.all(args.map((argument) => imagesOf(argument, signal)))
  return {
    images: [...new Set(lists.flatMap(({ images }) => images))],
    notes: lists.flatMap(({ notes }) => notes),
  }
}

async function imagesOf(argument: string, signal: AbortSignal): Promise<ImageFiles> {
  const stats = argument === STDIN ? null : await stat(argument).catch(() => null)
  if (stats?.isDirectory()) return imagesInFolder(argument)
  if (stats === null && isDynamicPattern(argument)) return imagesOfPattern(argument, signal)
  // What is not there is reported like any other bad image, so that the others go on.
  return { images: [argument], notes: [] }
}

async function imagesInFolder(folder: string): Promise<ImageFiles> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new EfficientDetError('ERR_IMAGE', `${folder}: the folder cannot be read (${cause.message}).`, {
      cause,
    })
  })
  const shown = entries.filter(({ name }) => !name.startsWith('.'))
  // A folder that is named like an image was meant to be one, and is reported like any other bad image.
  const isSubfolder = (entry: Dirent) => entry.isDirectory() && !isImageName(entry.name)
  const folders = shown.filter(isSubfolder).length
  const names = shown.filter((entry) => !isSubfolder(entry)).map(({ name }) => name)
  const { images, skipped } = sift(names)
  const also =
    folders === 0 ? [] : [`${counted(folders, 'subfolder')} (for those too: '${join(folder, '**')}')`]
  const left = [...skipped, ...also].join(' and ')
  if (images.length > 0) {
    return { images: images.map((name) => join(folder, name)), notes: skippedNote(folder, left) }
  }
  throw new EfficientDetError(
    'ERR_IMAGE',
    `${folder}: the folder holds no pictures (JPEG, PNG, WebP, AVIF, GIF, TIFF)${left && `, only ${left}`}.`,
  )
}

async function imagesOfPattern(pattern: string, signal: AbortSignal): Promise<ImageFiles> {
  const matches = await glob(pattern, { absolute: isAbsolute(pattern), expandDirectories: false, signal })
  signal.throwIfAborted()
  const { images, skipped } = sift(matches)
  if (images.length > 0) return { images, notes: skippedNote(pattern, skipped.join('')) }
  throw new EfficientDetError(
    'ERR_IMAGE',
    `${pattern}: no picture matches this pattern${skipped.map((text) => `, only ${text}`).join('')}.`,
  )
}

function skippedNote(argument: string, left: string): string[] {
  return left === '' ? [] : [`${argument}: skipped ${left}.`]
}

/** Files that are named like images, in order, and what the others are: `3 files (.heic 2, .bmp 1)`; none if there are none. */
function sift(names: readonly string[]): { readonly images: string[]; readonly skipped: string[] } {
  const images = names.filter(isImageName).sort()
  const others = new Map<string, number>()
  for (const name of names) {
    if (isImageName(name)) continue
    const kind = extname(name).toLowerCase() || 'no extension'
    others.set(kind, (others.get(kind) ?? 0) + 1)
  }
  if (others.size === 0) return { images, skipped: [] }
  const kinds = [...others]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([kind, count]) => `${kind} ${count}`)
  const listed = kinds.length > 8 ? [...kinds.slice(0, 8), '…'] : kinds
  return { images, skipped: [`${counted(names.length - images.length, 'file')} (${listed.join(', ')})`] }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
