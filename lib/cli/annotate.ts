import type { File } from 'node:buffer'
import { realpath } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import type { SharpConstructor } from 'sharp'
import { Artist } from '../annotate/artist.js'
import { hasFonts } from '../annotate/glyphs.js'
import type { DetectionResult } from '../api/result.js'
import { writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { makeFolder } from '../base/folder.js'
import { checkFormat } from '../image/file-format.js'
import { loadSharp } from '../image/sharp.js'
import { readBytes } from '../image/source.js'
import { LOAD_OPTIONS } from '../options/load.js'

/** Writes images with their detections drawn in, into one folder: none over another, nor over one that is read. */
export class Annotator {
  readonly #sharp: SharpConstructor
  readonly #folder: string
  /** Resolved paths that are not to be written, or not again. */
  readonly #taken: Set<string>
  readonly #withText: boolean

  private constructor(
    sharp: SharpConstructor,
    folder: string,
    { taken, withText }: { readonly taken: Set<string>; readonly withText: boolean },
  ) {
    this.#sharp = sharp
    this.#folder = folder
    this.#taken = taken
    this.#withText = withText
  }

  /**
   * @param images paths of all that will be read
   * @throws EfficientDetError ERR_OUTPUT when the folder cannot be made; ERR_IMAGE without sharp
   */
  static async open(folder: string, images: readonly string[]): Promise<Annotator> {
    try {
      await makeFolder(folder)
    } catch (cause) {
      throw new EfficientDetError('ERR_OUTPUT', `${folder} cannot be made (${(cause as Error).message}).`, {
        cause,
      })
    }
    const sharp = await loadSharp()
    const taken = new Set(await Promise.all(images.map(realPath)))
    return new Annotator(sharp, folder, { taken, withText: await hasFonts() })
  }

  /** What is to be known about all images that are written. */
  get notes(): string[] {
    return this.#withText ? [] : ['this machine has no fonts; boxes are drawn without labels.']
  }

  /**
   * Draws into the image as a viewer shows it (upright, its first page).
   *
   * @returns the path of the written file: a PNG for a PNG, a JPEG for all else
   * @throws EfficientDetError ERR_OUTPUT; the signal's reason
   */
  async write(
    source: string | File,
    { width, height, detections }: DetectionResult,
    signal?: AbortSignal,
  ): Promise<string> {
    const name = typeof source === 'string' ? basename(source) : fileName(source)
    const format = /^\.png$/i.test(extname(name)) ? 'png' : 'jpeg'
    const path = await this.#pathFor(basename(name, extname(name)), format === 'png' ? '.png' : '.jpg')
    let bytes: Buffer
    try {
      // What was detected in can be drawn into, but something else may lie there by now.
      const input = await readBytes(source, name, { maxPixels: LOAD_OPTIONS.maxPixels.default.value, signal })
      checkFormat(name, input)
      const { data, info } = await this.#sharp(input, { failOn: 'none', limitInputPixels: false })
        .autoOrient()
        .toColourspace('srgb')
        .ensureAlpha()
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true })
      const artist = await Artist.open({ width, height })
      await artist.prepare({ detections })
      artist.draw({ data, format: 'rgba', width: info.width, height: info.height }, { detections })
      bytes = await this.#sharp(data, { raw: { width: info.width, height: info.height, channels: 4 } })
        .toFormat(format)
        .toBuffer()
    } catch (cause) {
      throw new EfficientDetError('ERR_OUTPUT', `${path} cannot be drawn (${(cause as Error).message}).`, {
        cause,
      })
    }
    await writeFileAtomically(path, [bytes], signal, 'replace')
    return path
  }

  async #pathFor(stem: string, extension: string): Promise<string> {
    for (let i = 1; ; i++) {
      const path = join(this.#folder, `${stem}.detected${i === 1 ? '' : `-${i}`}${extension}`)
      const real = await realPath(path)
      if (this.#taken.has(real)) continue
      this.#taken.add(real)
      return path
    }
  }
}

/** Names what is no file: standard input, or a URL, whose end is a name unless it is all data. */
function fileName({ name }: File): string {
  if (name === '-') return 'stdin'
  return name.startsWith('data:') ? 'data' : basename(name)
}

/** A path as it is compared: without links where there is a file. */
function realPath(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path))
}
