import { readFile, truncate } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkFormat } from '#lib/image/file-format.js'
import { readSource, type Source } from '#lib/image/source.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { cpuTime } from '../helpers/cpu-time.js'
import { refusal } from '../helpers/refusal.js'

const LIMIT = { maxPixels: 1e6 }

/** A drawing of a few bytes whose filters take seconds. */
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><filter id="f" x="0" y="0" width="1" height="1">${'<feTurbulence numOctaves="9"/><feMorphology radius="99"/>'.repeat(2)}</filter><rect width="900" height="900" filter="url(#f)"/></svg>`

let heic: Buffer
beforeAll(async () => {
  const avif = await sharp('models/person/person.jpg').resize(64).avif().toBuffer()
  heic = Buffer.from(avif)
  for (const brand of ['avif', 'avis']) {
    for (let at = heic.indexOf(brand); at >= 0 && at < 40; at = heic.indexOf(brand)) heic.write('heic', at)
  }
})

describe('Only pictures of known formats reach a decoder', () => {
  it.each([
    ['JPEG', 'jpeg', () => sharp('models/person/person.jpg').resize(64).jpeg()],
    ['PNG', 'png', () => sharp('models/person/person.jpg').resize(64).png()],
    ['WebP', 'webp', () => sharp('models/person/person.jpg').resize(64).webp()],
    ['AVIF', 'avif', () => sharp('models/person/person.jpg').resize(64).avif()],
    ['GIF', 'gif', () => sharp('models/person/person.jpg').resize(64).gif()],
    ['TIFF', 'tiff', () => sharp('models/person/person.jpg').resize(64).tiff()],
    ['BigTIFF', 'tiff', () => sharp('models/person/person.jpg').resize(64).tiff({ bigtiff: true })],
  ] as const)('%s is one, whatever its name', async (_, format, encoder) => {
    const bytes = await encoder().toBuffer()
    expect(checkFormat('x', bytes)).toBe(format)
    await expect(readSource(await temporaryFile(bytes, 'picture.svg'), LIMIT)).resolves.toMatchObject({
      frame: { width: 64 },
    })
  })

  it.each<[string, string | Buffer | (() => Buffer), RegExp]>([
    ['an SVG drawing with filters', SVG, /is an SVG drawing\. Save it as PNG or JPEG\. Pictures are JPEG/],
    [
      'an SVG drawing behind a declaration',
      `\ufeff<?xml version="1.0"?>\n<!-- a -->\n${SVG}`,
      /an SVG drawing/,
    ],
    ['an SVG drawing behind a long comment', `<!--${'-'.repeat(800)}-->${SVG}`, /a web page or XML/],
    ['a compressed SVG drawing', gzipSync(SVG), /is compressed, or an archive/],
    ['a PDF document', '%PDF-1.7\n', /a PDF document/],
    ['a BMP file', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]), /a BMP file/],
    ['a JPEG XL file', Buffer.from([0xff, 0x0a, 1, 2]), /a JPEG XL file/],
    ['a JPEG 2000 file', Buffer.from('\0\0\0\x0cjP  \r\n\x87\n', 'latin1'), /a JPEG 2000 file/],
    ['a HEIC file', () => heic, /a HEIC file/],
    ['a video', Buffer.from('\0\0\0\x18ftypisom\0\0\x02\0isomiso2', 'latin1'), /a video\. Give its pictures/],
    ['a portable pixmap', 'P6\n2 2\n255\n', /a PNM file/],
    ['a matrix of numbers, as libvips reads it', '2 2\n1 2\n3 4\n', /of an unknown kind/],
    ["libvips' own file", Buffer.from([0x08, 0xf2, 0xa6, 0xb6, ...Array(60).fill(1)]), /of an unknown kind/],
    [
      'VP8 without its container',
      Buffer.from([0x10, 2, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0]),
      /of an unknown kind/,
    ],
    ['base64', 'iVBORw0KGgoAAAANSUhEUgAA', /is base64 and not bytes/],
    ['a web page', '<!DOCTYPE html><html>', /a web page or XML/],
    ['zeros', Buffer.alloc(600), /is empty: it begins with zeros/],
    ['one byte', Buffer.of(0xff), /of an unknown kind/],
  ])('%s is not, through any door', async (_, content, message) => {
    const bytes = Buffer.from(typeof content === 'function' ? content() : (content as string))
    const begin = cpuTime()
    const doors: Source[] = [
      bytes,
      await temporaryFile(bytes, 'picture.jpg'),
      new Blob([bytes]),
      new Response(bytes),
      Readable.from([bytes]),
      `data:image/jpeg;base64,${bytes.toString('base64')}`,
    ]
    for (const source of doors) {
      await expect(readSource(source, LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', message))
    }
    expect(cpuTime() - begin).toBeLessThan(1000)
  })

  it('AVIF is none where it holds what is no AV1', async () => {
    const hevc = Buffer.from(heic)
    hevc.write('avif', 8)
    hevc.write('hvc1', hevc.indexOf('av01'))
    await expect(readSource(hevc, LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', /./))
  })
})

describe('Files are read after their head', () => {
  const sparse = async (head: Uint8Array | string, size: number) => {
    const path = await temporaryFile(head, 'sparse.jpg')
    await truncate(path, size)
    return path
  }

  it.each([
    ['of zeros', '', 'ERR_IMAGE', /begins with zeros/],
    ['of another kind', SVG, 'ERR_IMAGE', /SVG/],
    ['with the head of a picture', '\x89PNG\r\n\x1a\n', 'ERR_IMAGE_TOO_LARGE', /longer than .* bytes/],
  ])('so that a long one costs nothing: %s', async (_, head, code, message) => {
    const path = await sparse(Buffer.from(head, 'latin1'), 1.9e9)
    const before = process.resourceUsage().maxRSS
    for (let i = 0; i < 3; i++) await expect(readSource(path, LIMIT)).rejects.toThrow(refusal(code, message))
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(50e3)
  })

  it('and streams after theirs', async () => {
    let given = 0
    const endless = new Readable({
      read() {
        given++
        this.push(Buffer.from(SVG.padEnd(1 << 16)))
      },
    })
    await expect(readSource(endless, { maxPixels: 1e8 })).rejects.toThrow(refusal('ERR_IMAGE', /SVG/))
    expect(given).toBeLessThan(20)
    expect(endless.destroyed).toBe(true)
  })

  it('and wait for room, one that is longer than all of it alone', async () => {
    const picture = await readFile('models/person/person.jpg')
    const long = await sparse(picture, 3e8)
    const before = process.resourceUsage().maxRSS
    const readings = Array.from({ length: 6 }, () => readSource(long, { maxPixels: 1e8 }))
    for (const { frame } of await Promise.all(readings)) expect(frame.width).toBe(640)
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(700e3)
  })

  it('and keep no room once they are given up, though their object never answers', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const silent = {
      size: 3e8,
      type: 'image/jpeg',
      stream: () => new ReadableStream(),
      arrayBuffer: () => {
        setImmediate(() => controller.abort(reason))
        return new Promise<ArrayBuffer>(() => {})
      },
    }
    const reading = readSource(silent, { maxPixels: 1e8, signal: controller.signal })
    await expect(reading).rejects.toBe(reason)
    const { frame } = await readSource('models/person/person.jpg', { maxPixels: 1e8 })
    expect(frame.width).toBe(640)
  })
})
