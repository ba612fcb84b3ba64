import { describe, expect, it } from 'vitest'
import { letterbox } from '#lib/image/letterbox.js'
import { references } from './reference.js'

type Row = readonly [
  height: number,
  width: number,
  inputHeight: number,
  inputWidth: number,
  scaledHeight: number,
  scaledWidth: number,
]

describe('letterbox', () => {
  it('rounds as effdet does, float by float', () => {
    const rows = references<Row>('letterbox.json')
    const sizes = rows.map(([height, width, inputHeight, inputWidth]) => {
      const fitted = letterbox({ height, width }, { height: inputHeight, width: inputWidth })
      return [fitted.height, fitted.width]
    })
    expect(rows.length).toBeGreaterThan(200)
    expect(sizes).toEqual(rows.map((row) => row.slice(4)))
  })

  it('scales both sides by the smaller factor', () => {
    const wide = letterbox({ height: 424, width: 640 }, { height: 320, width: 320 })
    expect(wide).toEqual({ scale: 0.5, height: 212, width: 320 })
    const tall = letterbox({ height: 640, width: 100 }, { height: 320, width: 1000 })
    expect(tall).toEqual({ scale: 0.5, height: 320, width: 50 })
  })

  it('enlarges small pictures', () => {
    expect(letterbox({ height: 1, width: 1 }, { height: 512, width: 384 })).toEqual({
      scale: 384,
      height: 384,
      width: 384,
    })
  })

  it.each([
    [1, 4000, 1, 320],
    [4000, 1, 320, 1],
    [1, 100_000, 1, 320],
  ])('keeps a pixel of hair-thin pictures: %i high, %i wide', (height, width, fittedHeight, fittedWidth) => {
    const fitted = letterbox({ height, width }, { height: 320, width: 320 })
    expect([fitted.height, fitted.width]).toEqual([fittedHeight, fittedWidth])
  })

  it('never exceeds the input', () => {
    const input = { height: 320, width: 512 }
    for (let side = 1; side < 3000; side += 7) {
      for (const source of [
        { height: side, width: 777 },
        { height: 777, width: side },
        { height: side, width: side },
      ]) {
        const { height, width } = letterbox(source, input)
        expect(height <= input.height && width <= input.width).toBe(true)
      }
    }
  })
})
