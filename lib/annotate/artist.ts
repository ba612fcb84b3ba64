import { abridged } from '../base/listing.js'
import { type Frame, isYuv } from '../image/frame.js'
import type { Canvas } from './canvas.js'
import { BLACK, type Colour, colourOf, WHITE } from './colours.js'
import { Glyphs } from './glyphs.js'
import { RgbCanvas } from './rgb-canvas.js'
import { drawBox, drawLine, drawPath, type Point } from './shapes.js'
import { YuvCanvas } from './yuv-canvas.js'

/** What is drawn of a detection; `detect` and trackers give such. */
export interface Drawable {
  readonly label: string
  readonly classId: number
  readonly score: number
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number]
  readonly trackId?: number | null
}

/** What is drawn into one frame, in its pixels. */
export interface Scene {
  readonly detections: readonly Drawable[]
  /** Where tracks have been, the oldest place first. */
  readonly trails?: ReadonlyMap<number, readonly Point[]>
  /** Closed outlines, and lines of two points, with a text at the first point. */
  readonly outlines?: readonly { readonly points: readonly Point[]; readonly text: string }[]
}

/** Letters of a label in a picture: drawing takes time that grows with them. */
const MAX_LABEL = 60

/** Draws scenes into frames of about one size, in place. */
export class Artist {
  readonly #glyphs: Glyphs
  /** Pixels. */
  readonly #thickness: number

  private constructor(glyphs: Glyphs, thickness: number) {
    this.#glyphs = glyphs
    this.#thickness = thickness
  }

  /**
   * @param size of the frames, in pixels: letters and lines grow with it
   * @throws EfficientDetError ERR_PACKAGE_FILE without sharp
   */
  static async open({ width, height }: { readonly width: number; readonly height: number }): Promise<Artist> {
    const side = Math.min(width, height)
    const glyphs = await Glyphs.open(Math.max(12, Math.round(side / 28)))
    return new Artist(glyphs, Math.max(2, Math.round(side / 200)))
  }

  /** Whether this machine has fonts; else there are no texts. */
  get writes(): boolean {
    return this.#glyphs.usable
  }

  /** Draws letters that were not needed before, which `draw` would leave out. Most times there are none. */
  async prepare({ detections, outlines = [] }: Scene): Promise<void> {
    const texts = [...detections.map(textOf), ...outlines.map(({ text }) => text)]
    if (!texts.every((text) => this.#glyphs.has(text))) await this.#glyphs.prepare(texts)
  }

  /** @throws EfficientDetError ERR_INVALID_OPTION for a frame that is none */
  draw(frame: Frame, { detections, trails, outlines = [] }: Scene): void {
    const canvas = isYuv(frame.format) ? new YuvCanvas(frame) : new RgbCanvas(frame)
    const thickness = this.#thickness
    for (const { points, text } of outlines) {
      if (points.length === 2) drawLine(canvas, points[0], points[1], { thickness, colour: WHITE })
      else drawPath(canvas, points, { thickness, colour: WHITE }, true)
      this.#write(canvas, text, points[0], WHITE)
    }
    for (const [trackId, points] of trails ?? []) {
      drawPath(canvas, points, { thickness, colour: colourOf(trackId) }, false)
    }
    for (const detection of detections) {
      drawBox(canvas, detection.box, { thickness, colour: inkOf(detection) })
    }
    // Above all boxes, so that none hides a text.
    for (const detection of detections) {
      const [x1, y1] = detection.box
      this.#write(canvas, textOf(detection), [x1, y1], inkOf(detection))
    }
  }

  /** A text on a ground of colour, above a place where there is room, else below; never past the right edge. */
  #write(canvas: Canvas, text: string, [x, y]: Point, ground: Colour): void {
    const { height } = this.#glyphs
    const masks = this.#glyphs.masksOf(text)
    if (masks.length === 0) return
    const margin = this.#thickness
    const width = masks.reduce((sum, mask) => sum + mask.width, 2 * margin)
    const left = Math.round(Math.max(0, Math.min(x, canvas.width - width)))
    const top = Math.round(Math.max(0, y >= height ? y - height : Math.min(y, canvas.height - height)))
    canvas.fill(left, top, left + width, top + height, ground)
    let at = left + margin
    for (const mask of masks) {
      canvas.stamp(at, top, mask, BLACK)
      at += mask.width
    }
  }
}

/** Tracks have colours of their own, and else classes. */
function inkOf({ trackId, classId }: Drawable): Colour {
  return colourOf(trackId ?? classId)
}

function textOf({ label, score, trackId }: Drawable): string {
  const id = trackId === undefined || trackId === null ? '' : ` #${trackId}`
  return `${abridged(label, MAX_LABEL)}${id} ${score.toFixed(2)}`
}
