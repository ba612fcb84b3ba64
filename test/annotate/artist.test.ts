import { describe, expect, it } from 'vitest'
import { Artist } from '#lib/annotate/artist.js'
import { RgbCanvas } from '#lib/annotate/rgb-canvas.js'
import { drawBox, drawLine } from '#lib/annotate/shapes.js'
import { Trails } from '#lib/annotate/trails.js'
import { YuvCanvas } from '#lib/annotate/yuv-canvas.js'
import type { Frame, PixelFormat } from '#lib/image/frame.js'
import { toRgb } from '#lib/image/rgb.js'
import { YUV_MATRICES, YUV_RANGES } from '#lib/image/yuv.js'

const RED = [255, 59, 48] as const

function frameOf(format: PixelFormat, width: number, height: number, more: Partial<Frame> = {}): Frame {
  return { data: new Uint8Array(8 * (width + 1) * (height + 1)).fill(128), format, width, height, ...more }
}

/** Where a frame is about of a colour, as text. */
function shapeOf(frame: Frame, colour: readonly number[], tolerance: number): string[] {
  const { width, height } = frame
  const rgb = toRgb(frame).data
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const pixel = rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)
      return colour.every((value, i) => Math.abs(value - pixel[i]) <= tolerance) ? '#' : '.'
    }).join(''),
  )
}

describe('a canvas', () => {
  it.each(['rgb', 'bgr', 'rgba', 'bgra'] as const)(
    'of %s has the box where it is, and leaves all else',
    (format) => {
      const frame = frameOf(format, 8, 6)
      drawBox(new RgbCanvas(frame), [1, 1, 7, 5], { thickness: 1, colour: RED })
      expect(shapeOf(frame, RED, 0)).toEqual([
        '........',
        '.######.',
        '.#....#.',
        '.#....#.',
        '.######.',
        '........',
      ])
      expect(shapeOf(frame, [128, 128, 128], 0)).toEqual([
        ...['########', '#......#', '#.####.#', '#.####.#', '#......#', '########'],
      ])
    },
  )

  it.each(
    (['nv12', 'i420'] as const).flatMap((format) =>
      YUV_MATRICES.flatMap((matrix) => YUV_RANGES.map((range) => [format, matrix, range] as const)),
    ),
  )('of %s, %s, %s paints the colour itself', (format, matrix, range) => {
    const frame = frameOf(format, 9, 7, { matrix, range, stride: 12 })
    new YuvCanvas(frame).fill(2, 2, 6, 4, RED)
    // Samples are whole numbers: a colour is as near as these come.
    expect(shapeOf(frame, RED, 4)).toEqual([
      ...['.........', '.........', '..####...', '..####...', '.........', '.........', '.........'],
    ])
  })

  it('leaves out what lies outside, whatever it is', () => {
    for (const format of ['nv12', 'i420', 'rgb', 'grey'] as const) {
      const frame = frameOf(format, 7, 5)
      const canvas = format === 'rgb' || format === 'grey' ? new RgbCanvas(frame) : new YuvCanvas(frame)
      const before = frame.data.slice()
      canvas.fill(-10, -10, 0, 100, RED)
      canvas.fill(7, 0, 9, 5, RED)
      drawLine(canvas, [-1e9, -5], [1e9, -4], { thickness: 2, colour: RED })
      drawLine(canvas, [Number.NaN, 0], [3, 3], { thickness: 2, colour: RED })
      canvas.stamp(-3, -3, { width: 2, height: 2, alpha: new Uint8Array(4).fill(255) }, RED)
      expect(frame.data).toEqual(before)
      drawLine(canvas, [-1e9, 2], [1e9, 2], { thickness: 1, colour: RED })
      expect(frame.data).not.toEqual(before)
      expect(frame.data.subarray(frame.data.length - 60)).toEqual(before.subarray(before.length - 60))
    }
  })
})

describe('an artist', () => {
  const scene = (label: string) => ({
    detections: [{ label, classId: 0, score: 0.9, box: [40, 40, 90, 90] as const, trackId: 7 }],
  })

  it('writes labels of any script, and other ones otherwise', async () => {
    const artist = await Artist.open({ width: 160, height: 120 })
    if (!artist.writes) return
    const drawn = await Promise.all(
      ['person', 'persom', '人物', 'кот'].map(async (label) => {
        const frame = frameOf('nv12', 160, 120)
        await artist.prepare(scene(label))
        artist.draw(frame, scene(label))
        return Buffer.from(frame.data).toString('base64')
      }),
    )
    expect(new Set(drawn).size).toBe(4)
  })

  it('draws zones, lines and trails, which change where tracks go', async () => {
    const artist = await Artist.open({ width: 160, height: 120 })
    const trails = new Trails(1)
    trails.update(scene('a').detections, 0)
    const moved = [{ ...scene('a').detections[0], box: [80, 40, 130, 90] as const }]
    const now = trails.update(moved, 0.5)
    expect([...now]).toEqual([
      [
        7,
        [
          [65, 90],
          [105, 90],
        ],
      ],
    ])
    const frame = frameOf('rgb', 160, 120)
    artist.draw(frame, { detections: [], trails: now })
    expect(shapeOf(frame, [255, 55, 95], 0)[89]).toMatch(/^\.{64}#{41,43}\.+$/)
    expect(trails.update([], 5).size).toBe(0)
  })
})
