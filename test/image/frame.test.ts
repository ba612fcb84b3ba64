import { describe, expect, it } from 'vitest'
import { copyOf, type Frame, PIXEL_FORMATS, type PixelFormat, planesOf } from '#lib/image/frame.js'

function frame(format: PixelFormat, width: number, height: number, bytes: number, stride?: number): Frame {
  return { data: new Uint8Array(bytes), format, width, height, ...(stride !== undefined && { stride }) }
}

const refusal = (message: RegExp) =>
  expect.objectContaining({
    name: 'EfficientDetError',
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(message),
  })

describe('copyOf', () => {
  it('copies all that a frame says, and nothing that it does not', () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6)
    const plain = { data, format: 'nv12', width: 2, height: 2 } as const
    for (const frame of [plain, { ...plain, stride: 2, matrix: 'bt2020', range: 'full' } as const]) {
      const copy = copyOf(frame)
      expect(copy).toEqual(frame)
      expect(Object.keys(copy).sort()).toEqual(Object.keys(frame).sort())
      expect(copy.data.buffer).not.toBe(data.buffer)
    }
  })
})

describe('planesOf', () => {
  it.each([
    ['rgb', 60, [[0, 15]]],
    ['bgr', 60, [[0, 15]]],
    ['rgba', 80, [[0, 20]]],
    ['bgra', 80, [[0, 20]]],
    ['grey', 20, [[0, 5]]],
    // 5 luma samples make 3 pairs of chroma, in 2 rows.
    [
      'nv12',
      20 + 2 * 6,
      [
        [0, 5],
        [20, 6],
      ],
    ],
    [
      'i420',
      20 + 2 * 6,
      [
        [0, 5],
        [20, 3],
        [26, 3],
      ],
    ],
  ] as const)('lays out %s of 5×4 without gaps in %i bytes, and in no fewer', (format, bytes, planes) => {
    expect(planesOf(frame(format, 5, 4, bytes)).map(({ offset, stride }) => [offset, stride])).toEqual(planes)
    expect(() => planesOf(frame(format, 5, 4, bytes - 1))).toThrow(
      refusal(
        new RegExp(`has ${bytes - 1} bytes; 5×4 ${format} with a stride of \\d+ needs at least ${bytes}`),
      ),
    )
  })

  it.each([
    // The last row need not be padded.
    ['rgb', 16, 3 * 16 + 15, [[0, 16]]],
    ['rgba', 32, 3 * 32 + 20, [[0, 32]]],
    ['grey', 8, 3 * 8 + 5, [[0, 8]]],
    [
      'nv12',
      8,
      4 * 8 + 8 + 6,
      [
        [0, 8],
        [32, 8],
      ],
    ],
    [
      'i420',
      8,
      4 * 8 + 2 * 4 + 4 + 3,
      [
        [0, 8],
        [32, 4],
        [40, 4],
      ],
    ],
    [
      'i420',
      9,
      4 * 9 + 2 * 5 + 5 + 3,
      [
        [0, 9],
        [36, 5],
        [46, 5],
      ],
    ],
  ] as const)('lays out %s of 5×4 with a stride of %i in %i bytes', (format, stride, bytes, planes) => {
    expect(planesOf(frame(format, 5, 4, bytes, stride)).map((plane) => [plane.offset, plane.stride])).toEqual(
      planes,
    )
    expect(() => planesOf(frame(format, 5, 4, bytes - 1, stride))).toThrow(refusal(/needs at least/))
  })

  it.each([
    ['nv12', 1, 1, 3],
    ['i420', 1, 1, 3],
    ['nv12', 2, 3, 6 + 4],
    ['i420', 3, 3, 9 + 8],
    ['i420', 1, 4, 4 + 4],
  ] as const)('rounds chroma up: %s of %i×%i needs %i bytes', (format, width, height, bytes) => {
    expect(() => planesOf(frame(format, width, height, bytes))).not.toThrow()
    expect(() => planesOf(frame(format, width, height, bytes - 1))).toThrow(refusal(/needs at least/))
  })

  it('accepts more bytes than it needs, and Uint8ClampedArray', () => {
    expect(() => planesOf(frame('rgb', 2, 2, 100))).not.toThrow()
    const data = new Uint8ClampedArray(16)
    expect(planesOf({ data, format: 'rgba', width: 2, height: 2 })).toEqual([{ offset: 0, stride: 8 }])
  })

  it.each([0, -1, 1.5, Number.NaN, Infinity, 2 ** 53, '4', null, undefined])(
    'refuses %j as a width or height',
    (side) => {
      for (const name of ['width', 'height']) {
        expect(() => planesOf({ ...frame('grey', 4, 4, 16), [name]: side })).toThrow(
          refusal(new RegExp(`has ${name} .*; expected a whole number of 1 or more`)),
        )
      }
    },
  )

  it.each([11, 0, -12, 12.5, Number.NaN, '12'])('refuses %j as the stride of 4 RGB pixels', (stride) => {
    expect(() => planesOf({ ...frame('rgb', 4, 4, 100), stride: stride as number })).toThrow(
      refusal(/a stride of .*; expected at least the 12 bytes of a row of 4 pixels/),
    )
  })

  it('refuses strides that put a plane beyond 4 GiB', () => {
    expect(() => planesOf({ ...frame('grey', 4, 1, 100), stride: 2 ** 32 })).toThrow(
      refusal(/a stride of 4294967296; expected one with which no plane begins beyond 4 GiB/),
    )
    const onGpu = { devicePointer: 4096n, byteLength: 2 ** 40, format: 'nv12', width: 4, height: 2 } as const
    expect(() => planesOf({ ...onGpu, stride: 2 ** 31 })).toThrow(refusal(/beyond 4 GiB/))
  })

  it('refuses formats it does not know and lists those it does', () => {
    for (const format of ['yuyv', 'RGB', '']) {
      expect(() => planesOf({ ...frame('rgb', 1, 1, 3), format: format as PixelFormat })).toThrow(
        refusal(new RegExp(`format "${format}"; expected one of ${PIXEL_FORMATS.join(', ')}`)),
      )
    }
  })

  it.each(['format', 'width', 'stride', 'matrix', 'range'])(
    'shows of %s what no template can show',
    (name) => {
      for (const [value, shown] of [
        [Symbol('x'), 'Symbol\\(x\\)'],
        [Object.create(null), 'an object'],
        [() => {}, 'a function'],
      ] as const) {
        expect(() => planesOf({ ...frame('nv12', 2, 2, 6), [name]: value })).toThrow(
          refusal(new RegExp(`${name === 'stride' ? 'a stride of' : name} ${shown}; expected`)),
        )
      }
    },
  )

  it.each(PIXEL_FORMATS)('takes matrix and range with luma and chroma alone: %s', (format) => {
    const isYuv = format === 'nv12' || format === 'i420'
    for (const colour of [{ matrix: 'bt709' }, { range: 'full' }] as const) {
      const planes = () => planesOf({ ...frame(format, 2, 2, 16), ...colour })
      if (isYuv) expect(planes().length).toBeGreaterThan(1)
      else
        expect(planes).toThrow(refusal(/a (matrix|range), and format \w+; expected one with nv12 and i420/))
    }
  })

  it.each([
    [{ matrix: 'BT709' }, /matrix "BT709"; expected one of bt601, bt709, bt2020/],
    [{ matrix: 1 }, /matrix 1; expected one of/],
    [{ range: 'tv' }, /range "tv"; expected one of limited, full/],
    [{ matrix: null }, /matrix null; expected one of/],
  ])('refuses a matrix or range that it does not know: %o', (colour, message) => {
    expect(() => planesOf({ ...frame('nv12', 2, 2, 6), ...(colour as object) })).toThrow(refusal(message))
  })

  it('refuses names that it does not know, and tells the one that may be meant', () => {
    const nv12 = frame('nv12', 2, 2, 6)
    const refused = (name: string, message: RegExp, of: object = nv12) =>
      expect(() => planesOf({ ...(of as Frame), [name]: 'bt709' })).toThrow(refusal(message))
    refused(
      'colorSpace',
      /There is no option "colorSpace" in the frame. Options: data, format, .* matrix, range\./,
    )
    refused('fullRange', /There is no option "fullRange" in the frame/)
    refused('Matrix', /Did you mean matrix\?/)
    refused('strid', /Did you mean stride\?/)
    refused('byteLength', /There is no option "byteLength" in the frame/)
    const onGpu = { devicePointer: 4096n, byteLength: 6, format: 'nv12', width: 2, height: 2 }
    refused('data', /There is no option "data" in the frame/, onGpu)
    refused('byteLenght', /Did you mean byteLength\?/, onGpu)
  })

  it.each([['abc'], [[1, 2, 3]], [new Uint16Array(3)], [new ArrayBuffer(3)], [null]])(
    'refuses data that are not bytes (%j)',
    (data) => {
      expect(() => planesOf({ data: data as never, format: 'rgb', width: 1, height: 1 })).toThrow(
        refusal(/no bytes in data; expected a Uint8Array or Buffer/),
      )
    },
  )

  it.each([
    [{ devicePointer: 4096 }, /devicePointer 4096; expected an address of CUDA's as a bigint/],
    [{ devicePointer: 0n }, /devicePointer 0n;/],
    [{ devicePointer: -1n }, /devicePointer -1n;/],
    [{ devicePointer: 1n << 64n }, /devicePointer 18446744073709551616n;/],
    [{ byteLength: 11 }, /11 bytes; 2×2 rgb with a stride of 6 needs at least 12/],
    [{ byteLength: Number.NaN }, /byteLength NaN; expected a whole number/],
    [{ byteLength: undefined as never }, /byteLength undefined;/],
    [{ device: -1 }, /device -1; expected the number of a GPU/],
    [{ device: 0.5 }, /device 0\.5;/],
    [{ event: 0n }, /event 0n; expected a handle of CUDA's as a bigint/],
    [{ event: 7 as never }, /event 7;/],
    [{ stream: -1n }, /stream -1n; expected a handle of CUDA's as a bigint/],
    [{ event: 7n, stream: 0n }, /an event and a stream; expected one of them, or none/],
  ])('checks what can be checked of a frame on a GPU: %o', (wrong, message) => {
    const onGpu = { devicePointer: 4096n, byteLength: 12, format: 'rgb', width: 2, height: 2 } as const
    expect(planesOf(onGpu)).toEqual([{ offset: 0, stride: 6 }])
    expect(() => planesOf({ ...onGpu, ...(wrong as object) })).toThrow(refusal(message))
  })

  it('asks for no memory when sizes are absurd', () => {
    const side = 2 ** 50
    expect(() => planesOf(frame('rgb', side, side, 12))).toThrow(refusal(/12 bytes/))
  })
})
