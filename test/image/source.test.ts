import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import sharp, { type Sharp } from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { nameOf, readFrame, readSource, type Source } from '#lib/image/source.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'

const LIMIT = { maxPixels: 1e6 }
/** 3 × 2 pixels. */
const RGB = Uint8Array.from({ length: 18 }, (_, i) => 10 * i)

let png: Buffer
beforeAll(async () => {
  png = await sharp(RGB, { raw: { width: 3, height: 2, channels: 3 } })
    .png()
    .toBuffer()
})

describe('readSource', () => {
  it('reads a path and tells it', async () => {
    const path = await temporaryFile(png, 'a picture ü.png')
    const { frame, name, pages } = await readSource(path, LIMIT)
    expect({ ...frame, data: [...frame.data] }).toEqual({
      data: [...RGB],
      format: 'rgb',
      width: 3,
      height: 2,
    })
    expect([name, pages]).toEqual([path, 1])
  })

  it('reads a file URL and tells it', async () => {
    const url = pathToFileURL(await temporaryFile(png, 'a picture ü.png'))
    const { frame, name } = await readSource(url, LIMIT)
    expect([...frame.data]).toEqual([...RGB])
    expect(name).toBe(url.href)
  })

  it('reads bytes: Buffer, Uint8Array within a buffer, ArrayBuffer', async () => {
    const within = new Uint8Array(png.length + 20).fill(7)
    within.set(png, 13)
    const own = Uint8Array.from(png).buffer
    for (const source of [png, within.subarray(13, 13 + png.length), own]) {
      const { frame, name } = await readSource(source, LIMIT)
      expect([...frame.data]).toEqual([...RGB])
      expect(name).toBeNull()
    }
  })

  it('reads a sharp pipeline, with what it does, and leaves it usable', async () => {
    const pipeline = sharp(png).flop()
    const { frame, name } = await readSource(pipeline, LIMIT)
    const flopped = [6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11].map((i) => 10 * i)
    expect([...frame.data]).toEqual(flopped)
    expect(name).toBeNull()
    expect([...(await pipeline.raw().toBuffer())]).toEqual(flopped)
  })

  it('knows a sharp pipeline of another copy of the package by its methods', async () => {
    const stranger = {
      metadata: () => sharp(png).metadata(),
      toBuffer: () => sharp(png).toBuffer(),
      clone: () => sharp(png),
    }
    const { frame } = await readSource(stranger as unknown as Sharp, LIMIT)
    expect([...frame.data]).toEqual([...RGB])
  })

  it('reads a sharp pipeline that a stream feeds', async () => {
    const pipeline = sharp()
    const reading = readSource(pipeline, LIMIT)
    pipeline.end(png)
    expect([...(await reading).frame.data]).toEqual([...RGB])
  })

  it('hands frames on as they are', async () => {
    const frame = { data: new Uint8Array(9), format: 'grey', width: 2, height: 2, stride: 6 } as const
    const size = { width: 2, height: 2 }
    expect(await readSource(frame, LIMIT)).toEqual({
      frame,
      size,
      isOwn: false,
      name: null,
      pages: 1,
      warnings: [],
    })
  })
})

describe('readSource refuses', () => {
  it('a file that is not there', async () => {
    await expect(readSource('no/such.jpg', LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /^no\/such\.jpg: there is no such file\.$/),
    )
    await expect(readSource('package.json/x.jpg', LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /there is no such file/),
    )
  })

  it('a folder, an empty file, a dangling link, a device', async () => {
    const folder = await temporaryFolder()
    const [inner, empty, link] = ['x.jpg', 'empty.jpg', 'link.jpg'].map((name) => join(folder, name))
    await mkdir(inner)
    await writeFile(empty, '')
    await symlink(join(folder, 'gone.jpg'), link)
    await expect(readSource(inner, LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /x\.jpg is a folder, not a picture\.$/),
    )
    await expect(readSource(empty, LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /empty\.jpg is empty\./))
    await expect(readSource(link, LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /link\.jpg: there is no such file/),
    )
    await expect(readSource('/dev/zero', LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /device or pipe/))
  })

  it('a path that cannot be one', async () => {
    await expect(readSource('a\0b.jpg', LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /cannot be read/))
    await expect(readSource('x'.repeat(5000), LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /cannot be read/))
  })

  it('what is on the network', async () => {
    const url = 'http://127.0.0.1:9/a.jpg'
    for (const source of [url, new URL(url), url.replace('http', 'HTTPS'), url.replace('http', 's3')]) {
      await expect(readSource(source, LIMIT)).rejects.toThrow(
        refusal(
          'ERR_IMAGE',
          /:9\/a\.jpg: pictures are not fetched from the network.* what fetch resolves to/,
        ),
      )
    }
    await expect(readSource('blob:nodedata:1', LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /Give the Blob itself/),
    )
  })

  it('file URLs of other machines, as text and as URL', async () => {
    for (const url of ['file://elsewhere/a.jpg', 'file:///a%2Fb.jpg']) {
      for (const source of [url, new URL(url)]) {
        await expect(readSource(source, LIMIT)).rejects.toThrow(
          refusal('ERR_IMAGE', /is no path on this machine/),
        )
      }
    }
  })

  it('long text in a short message', async () => {
    const base64 = 'A'.repeat(200_000)
    for (const source of [
      `data:image/png;base64,${base64}`,
      new URL(`data:image/png;base64,${base64}`),
      `data:image/png;base64${base64}`,
      `https://example.org/${base64}`,
      `file:///${base64}`,
      base64,
      `/9j/${base64}`,
      `${'x/'.repeat(100_000)}.jpg`,
    ]) {
      const error = await readSource(source, LIMIT).catch((reason) => reason)
      expect(error).toEqual(refusal('ERR_IMAGE', /./))
      expect(error.message.length).toBeLessThan(600)
    }
  })

  it('base64 without a data URL, and says how to give it', async () => {
    // Longer text than a path may be is refused by the system in another way.
    for (const bytes of [png, Buffer.concat([png, Buffer.alloc(9999)])]) {
      await expect(readSource(bytes.toString('base64'), LIMIT)).rejects.toThrow(
        refusal('ERR_IMAGE', /give Buffer\.from\(text, 'base64'\)/),
      )
    }
  })

  it('no bytes at all', async () => {
    for (const source of [new Uint8Array(0), Buffer.alloc(0), new ArrayBuffer(0)]) {
      await expect(readSource(source, LIMIT)).rejects.toThrow(
        refusal('ERR_IMAGE', /^The picture is empty\.$/),
      )
    }
  })

  it.each<[string, (buffer: ArrayBuffer) => Source]>([
    ['an ArrayBuffer', (buffer) => buffer],
    ['a Uint8Array', (buffer) => new Uint8Array(buffer)],
    ['a Buffer', (buffer) => Buffer.from(buffer)],
    ['a DataView', (buffer) => new DataView(buffer, 1)],
  ])('%s whose memory was transferred away', async (_, sourceOf) => {
    const buffer = new ArrayBuffer(8)
    const source = sourceOf(buffer)
    structuredClone(buffer, { transfer: [buffer] })
    await expect(readSource(source, LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /^The picture is empty: its memory was transferred away or shrunk\.$/),
    )
  })

  it('an empty path', async () => {
    await expect(readSource('', LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /^The path is empty\.$/))
  })

  it('bytes that are no picture', async () => {
    await expect(readSource(Buffer.from('GIF89a, or so they say'), LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /^The picture cannot be decoded \(/),
    )
    const text = await temporaryFile('Dear Sir or Madam', 'letter.png')
    await expect(readSource(text, LIMIT)).rejects.toThrow(
      refusal(
        'ERR_IMAGE',
        /letter\.png is of an unknown kind\. .*Pictures are JPEG, PNG, WebP, AVIF, GIF or TIFF\.$/,
      ),
    )
  })

  it('a sharp pipeline without a file', async () => {
    await expect(readSource(sharp('no/such.jpg'), LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /^The sharp pipeline cannot be decoded \(Input file is missing/),
    )
  })

  it('frames that are not what they say', async () => {
    const frame = { data: new Uint8Array(11), format: 'rgb', width: 2, height: 2 } as const
    await expect(readSource(frame, LIMIT)).rejects.toThrow(refusal('ERR_INVALID_OPTION', /11 bytes/))
  })

  it.each([
    [undefined, /found undefined/],
    [null, /found null/],
    [7, /found 7/],
    [{}, /class Object/],
    [[], /an array; give its items to detectBatch or stream/],
    [new Map(), /an iterable; give it to detectBatch or stream/],
    [(function* () {})(), /an iterable; give it/],
    [{ source: 'a.jpg', context: 1 }, /an item; give it to detectBatch or stream, or its source alone/],
    [{ data: new Uint8Array(3), info: { width: 1, height: 1 } }, /give { data, format, width, height }/],
    [new Date(), /class Date/],
    [Promise.resolve(), /a Promise; await it first/],
    [() => {}, /a function/],
    [{ getContext: () => {} }, /a canvas; give canvas\.toBuffer/],
    [JSON.parse(JSON.stringify(Buffer.from('a'))), /became JSON; give Buffer\.from/],
    [{ data: new Uint8Array(16), width: 2, height: 2 }, /pixels without a format/],
    [Object.create(null), /class null/],
    [Symbol('picture'), /Symbol\(picture\)/],
  ])('anything else (case %#)', async (source, found) => {
    await expect(readSource(source as Source, LIMIT)).rejects.toThrow(
      refusal(
        'ERR_INVALID_OPTION',
        /^A source is a path, URL, Buffer, Blob, Response, stream, sharp instance or frame/,
      ),
    )
    await expect(readSource(source as Source, LIMIT)).rejects.toThrow(found)
  })
})

describe('Objects of the caller', () => {
  const frame = { data: RGB, format: 'rgb', width: 3, height: 2 } as const
  const fail = () => {
    throw new RangeError('as told')
  }
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }

  it.each<[string, unknown]>([
    ['a getter', Object.defineProperty({ ...frame }, 'data', { get: fail, enumerable: true })],
    ['a getter of the format', Object.defineProperty({ data: RGB }, 'format', { get: fail })],
    ['a trap', new Proxy({}, { has: fail })],
    ['a revoked proxy', revoked()],
    [
      'a getter of a class',
      {
        get constructor() {
          return fail()
        },
      },
    ],
    [
      'a getter of a Response',
      {
        bodyUsed: false,
        status: 200,
        body: null,
        get ok() {
          return fail()
        },
      },
    ],
  ])('that throw when they are looked at are refused: %s', async (_, source) => {
    await expect(readSource(source as Source, LIMIT)).rejects.toThrow(
      refusal('ERR_INVALID_OPTION', /^Looking at the source throws: /),
    )
    expect(nameOf(source as Source)).toBeNull()
  })

  it('are read once, so that what was checked is used', () => {
    let reads = 0
    const source = Object.defineProperty({ ...frame }, 'data', {
      get: () => (reads++ === 0 ? RGB : new Uint8Array(0)),
      enumerable: true,
    })
    expect(readFrame(source, LIMIT)?.frame).toEqual(frame)
    expect(reads).toBe(1)
  })

  it('may be of another realm', async () => {
    const inside = { bytes: [...RGB], file: [...png] }
    const foreign = (code: string) => runInNewContext(code, inside)
    const rgba = foreign('new Uint8ClampedArray(24)')
    for (const source of [
      foreign('({ data: new Uint8Array(bytes), format: "rgb", width: 3, height: 2 })'),
      { data: rgba, width: 3, height: 2 },
      foreign('new Uint8Array(file)'),
      foreign('new Uint8Array(file).buffer'),
    ]) {
      expect((await readSource(source, LIMIT)).frame).toMatchObject({ width: 3, height: 2 })
    }
    const { href, protocol } = pathToFileURL(await temporaryFile(png, 'foreign.png'))
    expect(await readSource({ href, protocol } as URL, LIMIT)).toMatchObject({ name: href })
  })

  it('may write to their bytes, or give them away, while they are decoded', async () => {
    for (const meddle of [
      (bytes: Uint8Array) => bytes.fill(0),
      (bytes: Uint8Array) => structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] }),
    ]) {
      const bytes = Uint8Array.from(png)
      const reserve = async () => void meddle(bytes)
      expect((await readSource(bytes, { ...LIMIT, reserve })).frame.data).toEqual(Buffer.from(RGB))
    }
  })
})

describe('maxPixels', () => {
  it('holds for every kind of source and is met exactly', async () => {
    const path = await temporaryFile(png, 'six.png')
    const frame = { data: RGB, format: 'rgb', width: 3, height: 2 } as const
    for (const source of [png, path, pathToFileURL(path), frame]) {
      await expect(readSource(source, { maxPixels: 6 })).resolves.toMatchObject({ frame: { width: 3 } })
      await expect(readSource(source, { maxPixels: 5 })).rejects.toThrow(
        refusal('ERR_IMAGE_TOO_LARGE', /is 3×2, 6 pixels; at most 5 are decoded\. Raise maxPixels/),
      )
    }
    await expect(readSource(sharp(png), { maxPixels: 6 })).resolves.toMatchObject({ frame: { width: 3 } })
    await expect(readSource(sharp(png), { maxPixels: 5 })).rejects.toThrow(
      refusal('ERR_IMAGE_TOO_LARGE', /3×2/),
    )
  })

  it('tells the numbers to programs', async () => {
    await expect(readSource(png, { maxPixels: 5 })).rejects.toMatchObject({
      details: { width: 3, height: 2, maxPixels: 5 },
    })
  })
})

describe('readFrame', () => {
  it('is null for what is not a frame', async () => {
    const bytes = await readFile('package.json')
    for (const source of ['a.jpg', bytes, new URL('file:///a.jpg'), sharp(bytes)]) {
      expect(readFrame(source, LIMIT)).toBeNull()
    }
  })
})
