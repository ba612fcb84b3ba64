import type { SharpConstructor } from 'sharp'
import stringWidth from 'string-width'
import { loadSharp } from '../image/sharp.js'
import type { Mask } from './canvas.js'

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' })

const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))

/** Letters by their size; pictures of all sizes may be drawn into. */
const opened = new Map<number, Promise<Glyphs>>()
const MAX_SIZES = 20

/** Letters that are kept; labels of a stream have fewer. */
const MAX_GLYPHS = 5000

/**
 * Letters of one size as masks, drawn once each by the machine's own fonts and then stamped: an SVG for every frame
 * would take longer than the network.
 */
export class Glyphs {
  /** Height of a line, in pixels. */
  readonly height: number
  /** Whether this machine has fonts; else texts are left out. */
  readonly usable: boolean
  readonly #sharp: SharpConstructor
  readonly #size: number
  /** Width of a column: letters of most scripts take one, those of some two. */
  readonly #column: number
  readonly #masks = new Map<string, Mask>()

  private constructor(sharp: SharpConstructor, size: number, usable: boolean) {
    this.#sharp = sharp
    this.#size = size
    this.usable = usable
    this.height = Math.round(1.3 * size)
    this.#column = Math.ceil(0.61 * size)
  }

  /**
   * @param size of letters, in pixels
   * @throws EfficientDetError ERR_PACKAGE_FILE without sharp
   */
  static open(size: number): Promise<Glyphs> {
    const known = opened.get(size)
    if (known !== undefined) return known
    if (opened.size >= MAX_SIZES) opened.clear()
    const opening = Glyphs.#open(size)
    opened.set(size, opening)
    opening.catch(() => opened.delete(size))
    return opening
  }

  static async #open(size: number): Promise<Glyphs> {
    const glyphs = new Glyphs(await loadSharp(), size, await hasFonts())
    await glyphs.#draw(ASCII)
    return glyphs
  }

  /** Whether all letters of a text can be stamped; else `prepare` draws them. */
  has(text: string): boolean {
    return !this.usable || graphemesOf(text).every((letter) => this.#masks.has(letter))
  }

  /** Draws what is not there yet of texts. */
  async prepare(texts: readonly string[]): Promise<void> {
    const missing = new Set(texts.flatMap(graphemesOf).filter((letter) => !this.#masks.has(letter)))
    if (!this.usable || missing.size === 0) return
    if (this.#masks.size + missing.size > MAX_GLYPHS) {
      this.#masks.clear()
      await this.#draw(ASCII)
    }
    await this.#draw([...missing].slice(0, MAX_GLYPHS))
  }

  /** The masks of a text, one after the other; what was not prepared is left out. */
  masksOf(text: string): Mask[] {
    return graphemesOf(text).flatMap((letter) => this.#masks.get(letter) ?? [])
  }

  async #draw(letters: readonly string[]): Promise<void> {
    if (!this.usable) return
    const widths = letters.map((letter) => Math.max(1, stringWidth(letter)) * this.#column)
    const width = widths.reduce((sum, each) => sum + each, 0)
    let x = 0
    const texts = letters.map((letter, i) => {
      const text = `<text x="${x}" y="${this.#size}">${escaped(letter)}</text>`
      x += widths[i]
      return text
    })
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${this.height}" font-family="DejaVu Sans Mono, monospace" font-size="${this.#size}">${texts.join('')}</svg>`
    const { data, info } = await this.#sharp(Buffer.from(svg))
      .ensureAlpha()
      .extractChannel('alpha')
      .raw()
      .toBuffer({ resolveWithObject: true })
    let left = 0
    for (const [i, letter] of letters.entries()) {
      const alpha = new Uint8Array(widths[i] * this.height)
      for (let row = 0; row < this.height; row++) {
        const begin = row * info.width + left
        alpha.set(data.subarray(begin, begin + widths[i]), row * widths[i])
      }
      this.#masks.set(letter, { width: widths[i], height: this.height, alpha })
      left += widths[i]
    }
  }
}

function graphemesOf(text: string): string[] {
  return Array.from(SEGMENTER.segment(text), ({ segment }) => segment)
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

let fonts: Promise<boolean> | null = null

/** Whether this machine has fonts: without one, two letters are the same empty rectangle. */
export function hasFonts(): Promise<boolean> {
  fonts ??= loadSharp().then(async (sharp) => {
    const [narrow, wide] = await Promise.all(
      ['l', 'W'].map((letter) => {
        const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><text y="24" font-size="24">${letter}</text></svg>`
        return sharp(Buffer.from(svg)).raw().toBuffer()
      }),
    )
    return !narrow.equals(wide)
  })
  return fonts
}
