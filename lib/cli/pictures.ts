import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { EfficientDetError } from '../base/errors.js'

/** What sharp's builds decode; a file that is named outright is tried whatever its name. */
const PICTURE_NAME = /\.(jpe?g|png|webp|avif|gif|tiff?)$/i

/**
 * The pictures that arguments stand for: a file, everything in a folder that is named like a picture, or the
 * matches of a glob pattern, each once and in order.
 *
 * @throws EfficientDetError ERR_IMAGE for a folder or pattern without pictures
 */
export async function listPictures(args: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(args.map(picturesOf))
  return [...new Set(lists.flat())]
}

async function picturesOf(argument: string): Promise<string[]> {
  const stats = await stat(argument).catch(() => null)
  if (stats?.isDirectory()) {
    const names = (await readdir(argument)).filter((name) => PICTURE_NAME.test(name)).sort()
    if (names.length > 0) return names.map((name) => join(argument, name))
    throw new EfficientDetError(
      'ERR_IMAGE',
      `${argument}: the folder holds no pictures (JPEG, PNG, WebP, AVIF, GIF, TIFF). For its subfolders, give '${join(argument, '**')}'.`,
    )
  }
  if (stats === null && isDynamicPattern(argument)) {
    const matches = (await glob(argument, { expandDirectories: false })).filter((name) =>
      PICTURE_NAME.test(name),
    )
    if (matches.length > 0) return matches.sort()
    throw new EfficientDetError('ERR_IMAGE', `${argument}: no picture matches this pattern.`)
  }
  // What is not there is reported like any other bad picture, so that the others go on.
  return [argument]
}
