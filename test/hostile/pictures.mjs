// Pictures as strangers send them: good ones, and all that is known to cost a decoder time, memory or its life.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { crc32, deflateSync, gzipSync } from 'node:zlib'
import sharp from 'sharp'

const PERSON = readFileSync('models/person/person.jpg')

/**
 * @typedef {object} Picture
 * @property {string} name
 * @property {'good' | 'bad' | 'either'} kind `either` may be answered or refused: it costs what it may.
 * @property {() => unknown} source of one call: streams are read once
 */

/** Makes them, with files in a folder. @returns {Promise<Picture[]>} */
export async function pictures(folder) {
  const person = (width = 320) => sharp(PERSON).resize(width)
  const file = (name, bytes, size) => {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    if (size !== undefined) truncateSync(path, size)
    return () => path
  }
  const bytes = (content) => () => content
  const special = (name, make) => {
    const path = join(folder, name)
    make(path)
    return () => path
  }
  const jpeg = await person().jpeg().toBuffer()
  const progressive = await person().jpeg({ progressive: true }).toBuffer()
  const pngOfPerson = await person().png().toBuffer()
  const webp = await person().webp().toBuffer()
  const avif = await person().avif({ effort: 0 }).toBuffer()
  const gif = await person(160).gif().toBuffer()
  const tiff = await person().tiff({ compression: 'lzw' }).toBuffer()
  const frames = await Promise.all([60, 50, 40].map((width) => person(width).resize(48, 48).png().toBuffer()))
  const animated = sharp(frames, { join: { animated: true } })
  const animatedWebp = await animated.clone().webp().toBuffer()
  const animatedGif = await animated.clone().gif().toBuffer()
  const cmyk = await person().toColourspace('cmyk').jpeg().toBuffer()

  const good = [
    ['JPEG as a file', file('good.jpg', jpeg)],
    ['JPEG as bytes', bytes(jpeg)],
    ['JPEG as a Blob', () => new Blob([jpeg])],
    ['JPEG as a Response', () => new Response(jpeg)],
    ['JPEG as a stream', () => Readable.from([jpeg.subarray(0, 999), jpeg.subarray(999)])],
    ['JPEG as a data URL', bytes(`data:image/jpeg;base64,${jpeg.toString('base64')}`)],
    ['JPEG through a link', special('link.jpg', (path) => symlinkSync(join(folder, 'good.jpg'), path))],
    ['progressive JPEG', bytes(progressive)],
    ['CMYK JPEG', bytes(cmyk)],
    ['JPEG with another name', file('good.svg', jpeg)],
    ['JPEG with a profile of rubbish', bytes(withSegment(jpeg, 0xe2, profile()))],
    ['PNG', file('good.png', pngOfPerson)],
    ['PNG with the name of a JPEG', file('png.jpg', pngOfPerson)],
    ['PNG of 16 bits', bytes(await person().toColourspace('rgb16').png().toBuffer())],
    ['PNG with a palette', bytes(await person().png({ palette: true }).toBuffer())],
    ['WebP', bytes(webp)],
    ['animated WebP', bytes(animatedWebp)],
    ['AVIF', bytes(avif)],
    ['GIF', bytes(gif)],
    ['animated GIF', bytes(animatedGif)],
    ['TIFF', bytes(tiff)],
    [
      'TIFF of many pages',
      bytes(
        await sharp(frames, { join: { animated: true } })
          .tiff()
          .toBuffer(),
      ),
    ],
    ['frame', bytes({ data: new Uint8Array(3 * 64 * 48).fill(90), format: 'rgb', width: 64, height: 48 })],
  ]

  const either = [
    ['PNG of the limit', bytes(png(4000, 4000, 1, 0))],
    ['interlaced PNG of the limit', bytes(png(4000, 4000, 8, 2, { interlaced: true }))],
    ['JPEG before a hundred megabytes', file('long.jpg', jpeg, 1e8)],
    ['JPEG with a million segments', bytes(manySegments(jpeg, 1e6))],
    ['GIF of many frames', bytes(manyFrames(animatedGif, 3000))],
    ['PNG with a text that unfolds to 50 MB', bytes(withChunk(pngOfPerson, 'zTXt', text('Comment', 5e7)))],
    ['PNG with a profile that unfolds to 50 MB', bytes(withChunk(pngOfPerson, 'iCCP', text('profile', 5e7)))],
    ['PNG with a thousand chunks', bytes(withChunk(pngOfPerson, 'tEXt', Buffer.from('a\0b'), 1000))],
    ['TIFF whose pages go round', bytes(roundTiff(tiff))],
    // libnsgif takes the size of its first frame.
    ['GIF of 65535²', bytes(gifOf(gif, 65_535, 65_535))],
    [
      'GIF of one pixel',
      bytes(
        await sharp(png(1, 1, 8, 0))
          .gif()
          .toBuffer(),
      ),
    ],
    ['hair-thin PNG', bytes(png(16_000, 1, 8, 0))],
    ['high PNG', bytes(png(1, 1_000_000, 8, 0))],
  ]

  const bad = [
    ['PNG bomb', bytes(png(16_383, 16_383, 1, 0))],
    ['PNG bomb as a file', file('bomb.png', png(30_000, 30_000, 1, 0))],
    ['PNG of 2³¹ pixels a side', bytes(header(png(1, 1, 8, 0), 2 ** 31 - 1, 2 ** 31 - 1))],
    ['PNG of no width', bytes(header(png(1, 1, 8, 0), 0, 5))],
    ['PNG that claims more than it has', bytes(header(png(8, 8, 8, 2), 3000, 3000))],
    ['JPEG with a scan thousands of times', bytes(manyScans(await flatProgressive(), 5000))],
    ['JPEG with each scan that there can be', bytes(allScans(await flatProgressive()))],
    ['JPEG that claims 65535²', bytes(sized(jpeg, 65_535, 65_535))],
    ['JPEG that claims more than it has', bytes(sized(jpeg, 3900, 3900))],
    ['JPEG of no height', bytes(sized(jpeg, 320, 0))],
    ['WebP of 16384²', bytes(webpOf(16_384, 16_384))],
    ['AVIF of rubbish', bytes(Buffer.concat([avif.subarray(0, 40), Buffer.alloc(500, 0xa5)]))],
    ['AVIF without its end', bytes(avif.subarray(0, avif.length / 2))],
    ...[jpeg, progressive, pngOfPerson, webp, gif, tiff].map((whole, i) => [
      `half of file ${i}`,
      bytes(whole.subarray(0, whole.length / 2)),
    ]),
    ['SVG with filters', bytes(Buffer.from(SVG))],
    ['SVG named .jpg', file('svg.jpg', SVG)],
    ['SVG as a stream', () => Readable.from([Buffer.from(SVG)])],
    ['SVG without its end, long', bytes(Buffer.from(SVG.padEnd(2e6)))],
    ['SVG that is compressed', bytes(gzipSync(SVG))],
    ['pipe', special('pipe.jpg', (path) => execFileSync('mkfifo', [path]))],
    ['link to a pipe', special('pipe-link.jpg', (path) => symlinkSync(join(folder, 'pipe.jpg'), path))],
    ['folder', special('folder.jpg', (path) => mkdirSync(path))],
    ['link to itself', special('loop.jpg', (path) => symlinkSync(path, path))],
    ['device', bytes('/dev/zero')],
    ['memory of the process', bytes('/proc/self/mem')],
    ['file that is not there', bytes(join(folder, 'gone.jpg'))],
    ['empty file', file('empty.jpg', '')],
    ['sparse file of 1.9 GB', file('sparse.jpg', '', 1.9e9)],
    ['sparse file that begins as a JPEG', file('sparse-head.jpg', jpeg, 1.9e9)],
    ['sparse file of a terabyte', file('terabyte.png', pngOfPerson, 2 ** 40)],
    ['one byte', bytes(Buffer.of(0xff))],
    ['zeros', bytes(Buffer.alloc(5e6))],
    ['no bytes', bytes(new Uint8Array(0))],
    ['text', file('letter.jpg', 'Dear Sir or Madam')],
    ['web page', bytes(Buffer.from('<!DOCTYPE html><html>'))],
    ['PDF', bytes(Buffer.from('%PDF-1.7\n%\xe2\xe3'))],
    ['BMP', bytes(Buffer.concat([Buffer.from('BM'), Buffer.alloc(5000)]))],
    ['HEIC', bytes(Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'))],
    ['JPEG XL', bytes(Buffer.from('\0\0\0\x0cJXL \r\n\x87\n', 'latin1'))],
    ['video', bytes(Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp42', 'latin1'))],
    ['archive', bytes(gzipSync(Buffer.alloc(1e6)))],
    ['data URL of rubbish', bytes(`data:image/png;base64,${'%'.repeat(1e6)}`)],
    ['data URL without a comma', bytes('data:image/png')],
    ['address on the network', bytes('http://127.0.0.1:9/a.jpg')],
    ['path with a zero', bytes('a\0b.jpg')],
    ['long path', bytes('x'.repeat(1e6))],
    ['Response of a server that has none', () => new Response('no', { status: 404 })],
    ['stream that breaks off', () => Readable.from(breaksOff(jpeg))],
    ['stream without an end', () => Readable.from(endless(pngOfPerson))],
    ['stream of texts', () => Readable.from(['a', 'b'])],
    [
      'stream of one byte at a time',
      () => Readable.from(oneByOne(Buffer.alloc(3000, 0x47)), { objectMode: true }),
    ],
    ['frame with too few bytes', bytes({ data: new Uint8Array(11), format: 'rgb', width: 2, height: 2 })],
    ['frame of 2⁵³', bytes({ data: new Uint8Array(11), format: 'grey', width: 2 ** 53, height: 2 ** 53 })],
    ['frame with no number', bytes({ data: new Uint8Array(99), format: 'rgb', width: NaN, height: 2 })],
    ['nothing', bytes(null)],
    ['object', bytes({})],
  ]
  const all = [good, either, bad].flatMap((list, i) =>
    list.map(([name, source]) => ({ name, kind: ['good', 'either', 'bad'][i], source })),
  )
  return all
}

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><filter id="f">${'<feTurbulence baseFrequency=".9" numOctaves="9"/><feMorphology radius="99"/>'.repeat(3)}</filter><rect width="900" height="900" filter="url(#f)"/></svg>`

function chunk(type, data) {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length)
  bytes.write(type, 4, 'latin1')
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

/** A black PNG. @param colour 0 for grey, 2 for RGB */
function png(width, height, bits, colour, { interlaced = false } = {}) {
  const ihdr = Buffer.alloc(13)
  ihdr.writeUInt32BE(width)
  ihdr.writeUInt32BE(height, 4)
  ihdr.set([bits, colour, 0, 0, interlaced ? 1 : 0], 8)
  const samples = colour === 2 ? 3 : 1
  // Seven passes need some row more.
  const row = 1 + Math.ceil((width * samples * bits) / 8)
  const data = deflateSync(Buffer.alloc(row * (interlaced ? 2 : 1) * height), { level: 1 })
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', ihdr),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Another size, rightly signed. */
function header(file, width, height) {
  const changed = Buffer.from(file)
  changed.writeUInt32BE(width, 16)
  changed.writeUInt32BE(height, 20)
  changed.writeUInt32BE(crc32(changed.subarray(12, 29)), 29)
  return changed
}

function withChunk(file, type, data, times = 1) {
  const one = chunk(type, data)
  return Buffer.concat([file.subarray(0, 33), ...Array(times).fill(one), file.subarray(33)])
}

/** A keyword, and zeros that unfold. */
function text(keyword, length) {
  return Buffer.concat([
    Buffer.from(`${keyword}\0\0`, 'latin1'),
    deflateSync(Buffer.alloc(length), { level: 1 }),
  ])
}

function sized(jpeg, width, height) {
  const changed = Buffer.from(jpeg)
  const at = changed.indexOf(Buffer.of(0xff, 0xc0))
  changed.writeUInt16BE(height, at + 5)
  changed.writeUInt16BE(width, at + 7)
  return changed
}

function segment(marker, data) {
  const bytes = Buffer.alloc(4 + data.length)
  bytes.set([0xff, marker])
  bytes.writeUInt16BE(2 + data.length, 2)
  bytes.set(data, 4)
  return bytes
}

function withSegment(jpeg, marker, data) {
  return Buffer.concat([jpeg.subarray(0, 2), segment(marker, data), jpeg.subarray(2)])
}

function profile() {
  return Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01', 'latin1'), Buffer.alloc(3000, 0x5a)])
}

function manySegments(jpeg, count) {
  return Buffer.concat([jpeg.subarray(0, 2), Buffer.alloc(4 * count, segment(0xe5, [])), jpeg.subarray(2)])
}

export async function flatProgressive(side = 4000) {
  const flat = sharp({ create: { width: side, height: side, channels: 3, background: '#888' } })
  return flat.toColourspace('b-w').jpeg({ progressive: true }).toBuffer()
}

/** Repeats the last scan, over all of which a decoder goes each time. */
function manyScans(jpeg, count) {
  const at = jpeg.lastIndexOf(Buffer.of(0xff, 0xda))
  const scan = jpeg.subarray(at, jpeg.length - 2)
  return Buffer.concat([jpeg.subarray(0, at), ...Array(count).fill(scan), Buffer.of(0xff, 0xd9)])
}

/** Has a scan for each coefficient and each of its bits: all of them right, and of 31 bytes each. */
export function allScans(jpeg) {
  const dc = jpeg.indexOf(Buffer.of(0xff, 0xda))
  const afterDc = jpeg.indexOf(Buffer.of(0xff, 0xc4), dc)
  const ac = jpeg.indexOf(Buffer.of(0xff, 0xda), afterDc)
  // Table and scan of the first coefficients that follow.
  const scan = jpeg.subarray(ac, jpeg.indexOf(Buffer.of(0xff, 0xc4), ac))
  const parts = [jpeg.subarray(0, ac)]
  for (let coefficient = 1; coefficient < 64; coefficient++) {
    for (let bit = 13; bit >= 0; bit--) {
      const one = Buffer.from(scan)
      one.set([coefficient, coefficient, bit === 13 ? bit : ((bit + 1) << 4) | bit], 7)
      parts.push(one)
    }
  }
  return Buffer.concat([...parts, Buffer.of(0xff, 0xd9)])
}

function gifOf(gif, width, height) {
  const changed = Buffer.from(gif)
  changed.writeUInt16LE(width, 6)
  changed.writeUInt16LE(height, 8)
  return changed
}

/** Repeats what lies between the first frame's control block and the end. */
function manyFrames(gif, count) {
  const at = gif.indexOf(Buffer.of(0x21, 0xf9, 4))
  const rest = gif.subarray(at, gif.length - 1)
  return Buffer.concat([gif.subarray(0, at), ...Array(Math.ceil(count / 3)).fill(rest), Buffer.of(0x3b)])
}

function webpOf(width, height) {
  const bytes = Buffer.alloc(60)
  bytes.write('RIFF', 0, 'latin1')
  bytes.writeUInt32LE(52, 4)
  bytes.write('WEBPVP8X', 8, 'latin1')
  bytes.writeUInt32LE(10, 16)
  bytes.writeUIntLE(width - 1, 24, 3)
  bytes.writeUIntLE(height - 1, 27, 3)
  return bytes
}

/** The next page is the first again. */
function roundTiff(tiff) {
  const changed = Buffer.from(tiff)
  const at = changed.readUInt32LE(4)
  changed.writeUInt32LE(at, at + 2 + 12 * changed.readUInt16LE(at))
  return changed
}

async function* breaksOff(whole) {
  yield whole.subarray(0, 2000)
  throw new Error('the network went away')
}

async function* endless(head) {
  yield head
  for (;;) yield Buffer.alloc(1 << 16)
}

function* oneByOne(whole) {
  for (let i = 0; i < whole.length; i++) yield Uint8Array.of(whole[i])
}
