import type { File } from 'node:buffer'
import { realpath } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import type { SharpConstructor } from 'sharp'
import stringWidth from 'string-width'
import type { Detection, DetectionResult } from '../api/result.js'
import { writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { makeFolder } from '../base/folder.js'
import { abridged } from '../base/listing.js'
import { checkFormat } from '../image/file-format.js'
import { loadSharp } from '../image/sharp.js'
import { readBytes } from '../image/source.js'
import { LOAD_OPTIONS } from '../options/load.js'

/** Colours that differ in hue and lightness, and stand out from photographs. */
const COLOURS = [
  '#ff3b30',
  '#34c759',
  '#0a84ff',
  '#ffd60a',
  '#bf5af2',
  '#ff9f0a',
  '#64d2ff',
  '#ff375f',
  '#a2ff00',
  '#00ffd0',
]

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
    return new Annotator(sharp, folder, { taken, withText: await hasFonts(sharp) })
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
      bytes = await this.#sharp(input, { failOn: 'none', limitInputPixels: false })
        .autoOrient()
        .toColourspace('srgb')
        .composite([{ input: overlay(width, height, detections, this.#withText) }])
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

/** Letters of a label in a picture: drawing takes time that grows with them. */
const MAX_LABEL = 60

function overlay(width: number, height: number, detections: readonly Detection[], withText: boolean): Buffer {
  const stroke = Math.max(2, Math.round(Math.min(width, height) / 200))
  const font = Math.max(12, Math.round(Math.min(width, height) / 28))
  const shapes = detections.map(({ label, classId, score, box: [x1, y1, x2, y2] }) => {
    const colour = COLOURS[classId % COLOURS.length]
    const frame = `<rect x="${x1}" y="${y1}" width="${x2 - x1}" height="${y2 - y1}" fill="none" stroke="${colour}" stroke-width="${stroke}"/>`
    if (!withText) return frame
    const text = `${abridged(label, MAX_LABEL)} ${score.toFixed(2)}`
    // Above the box where there is room, else inside of it; never past the right edge.
    const top = y1 >= font * 1.3 ? y1 - font * 1.3 : y1
    const textWidth = stringWidth(text) * font * 0.58 + font * 0.4
    const left = Math.max(0, Math.min(x1, width - textWidth))
    return (
      `${frame}<rect x="${left}" y="${top}" width="${textWidth}" height="${font * 1.3}" fill="${colour}"/>` +
      `<text x="${left + font * 0.2}" y="${top + font}" font-family="DejaVu Sans, sans-serif" font-size="${font}" fill="#000">${escaped(text)}</text>`
    )
  })
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes.join('')}</svg>`,
  )
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

/** Draws two letters: without a font, both are the same empty rectangle. */
async function hasFonts(sharp: SharpConstructor): Promise<boolean> {
  const [narrow, wide] = await Promise.all(
    ['l', 'W'].map((letter) => {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><text y="24" font-size="24">${letter}</text></svg>`
      return sharp(Buffer.from(svg)).raw().toBuffer()
    }),
  )
  return !narrow.equals(wide)
}
