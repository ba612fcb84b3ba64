import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { readSource, type Source } from '#lib/image/source.js'
import { temporaryFile } from '../helpers/checkpoints.js'
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

/** The same bytes as a view of another kind, which begins within its buffer. */
function view<T>(kind: new (buffer: ArrayBufferLike, offset: number, length: number) => T, bytes = 1): T {
  // Bytes after the end of a PNG mean nothing.
  const length = Math.ceil(png.length / bytes)
  const buffer = new ArrayBuffer(8 + length * bytes)
  new Uint8Array(buffer, 8).set(png)
  return new kind(buffer, 8, length)
}

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(png.length)
  new Uint8Array(buffer).set(png)
  return buffer
}

const file = () => temporaryFile(png, 'a picture ü.png')

function webStream(...chunks: unknown[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk as Uint8Array)
      controller.close()
    },
  })
}

/** A stream that gives a piece at a time. */
const pieces = () => Readable.from([png.subarray(0, 20), png.subarray(20, 21), png.subarray(21)])

const base64 = () => `data:image/png;base64,${png.toString('base64')}`
const percent = () =>
  `data:image/png,${[...png].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`

/** A source, and the name that it comes back with. */
const DOORS: [string, () => unknown, (() => string | null)?][] = [
  [
    'a file URL as text',
    async () => pathToFileURL(await file()).href,
    () => expect.stringMatching(/^file:.*%C3%BC\.png$/),
  ],
  ['a data URL', () => new URL(base64()), () => expect.stringMatching(/^data:image\/png;base64,.{1,40}…/)],
  ['a data URL as text', base64, () => expect.stringMatching(/^data:image\/png;base64,.{1,40}…/)],
  ['a data URL with line breaks', () => base64().replace(/.{70}/g, '$&\n'), () => expect.any(String)],
  [
    'a data URL with escapes',
    () => base64().replaceAll('=', '%3D').replaceAll('+', '%2B'),
    () => expect.any(String),
  ],
  ['a data URL without base64', percent, () => expect.any(String)],
  ['a DataView', () => view(DataView)],
  ['a Uint8ClampedArray', () => view(Uint8ClampedArray)],
  ['a Uint16Array', () => view(Uint16Array, 2)],
  ['a SharedArrayBuffer', shared],
  ['a view of a SharedArrayBuffer', () => new Uint8Array(shared())],
  ['a Blob', () => new Blob([png])],
  ['a File', () => new File([png], 'x.png'), () => 'x.png'],
  ['a Response', () => new Response(png)],
  ['a web stream', () => new Blob([png]).stream()],
  ['a Node stream', pieces],
  ['the stream of a file', async () => createReadStream(await file())],
]

describe('readSource', () => {
  it.each(DOORS)('takes %s', async (_, source, name = () => null) => {
    const read = await readSource((await source()) as Source, LIMIT)
    expect(read.frame).toMatchObject({ width: 3, height: 2, format: 'rgb' })
    expect([...(read.frame as { data: Uint8Array }).data]).toEqual([...RGB])
    expect(read.name).toEqual(name())
    expect(read.warnings).toEqual([])
  })

  it('copies memory that other threads may write to', async () => {
    const buffer = shared()
    for (const source of [buffer, new Uint8Array(buffer)]) {
      const reading = readSource(source, LIMIT)
      new Uint8Array(buffer).fill(0)
      await expect(reading).resolves.toMatchObject({ frame: { width: 3 } })
      new Uint8Array(buffer).set(png)
    }
  })

  it('takes pixels of the shape of ImageData as RGBA, and checks their size', async () => {
    const data = new Uint8ClampedArray(24)
    const { frame } = await readSource({ data, width: 3, height: 2, colorSpace: 'srgb' } as Source, LIMIT)
    expect(frame).toEqual({ data, width: 3, height: 2, format: 'rgba' })
    await expect(readSource({ data, width: 3, height: 3 }, LIMIT)).rejects.toThrow(
      refusal('ERR_INVALID_OPTION', /24 bytes/),
    )
  })

  it('takes what fetch resolves to, named by its URL, and an upload', async () => {
    const uploads: Promise<unknown>[] = []
    const server = createServer((request, response) => {
      if (request.method === 'POST') uploads.push(readSource(request, LIMIT))
      response.end(png)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.png`
    expect(await readSource(await fetch(url), LIMIT)).toMatchObject({ name: url, frame: { width: 3 } })
    await (await fetch(url, { method: 'POST', body: png })).arrayBuffer()
    expect(await Promise.all(uploads)).toMatchObject([{ name: null, frame: { width: 3 } }])
    server.close()
  })
})

describe('readSource refuses', () => {
  const failing = () => {
    const stream = new PassThrough()
    stream.write(png.subarray(0, 20))
    setImmediate(() => stream.destroy(new Error('the network went away')))
    return stream
  }
  const read = async (source: Source) => {
    await readSource(source, LIMIT)
    return source
  }
  const locked = () => {
    const stream = new Blob([png]).stream()
    stream.getReader()
    return stream
  }
  const unreadable = () => ({
    size: 5,
    type: '',
    stream: () => null,
    arrayBuffer: () => Promise.reject(new Error('the file has changed')),
  })
  const erring = () => new ReadableStream({ start: (controller) => controller.error(new Error('no more')) })

  it.each<[string, () => unknown, RegExp]>([
    [
      'a Response of another status',
      () => new Response('', { status: 404, statusText: 'Not Found' }),
      /^The picture: the server answered 404 Not Found\.$/,
    ],
    ['a Response without a body', () => new Response(null), /^The picture is empty\.$/],
    ['a Response that was read', () => read(new Response(png)), /was read already/],
    ['an empty Blob', () => new Blob([]), /is empty/],
    ['a Blob that cannot be read', unreadable, /cannot be read \(the file has changed\)/],
    ['a web stream that somebody reads', locked, /^The picture is locked: somebody reads it/],
    ['a web stream that errs', erring, /broke off \(no more\)/],
    ['a web stream of text', () => webStream('abc'), /values of type string; expected the bytes/],
    ['a web stream with nothing amid', () => webStream(png, null, png), /values of type null/],
    ['a Node stream that breaks off', failing, /broke off \(the network went away\)/],
    ['a Node stream that was read', () => read(pieces()), /was read or destroyed already/],
    ['a Node stream that was destroyed', () => pieces().destroy(), /was read or destroyed already/],
    [
      'a Node stream of text',
      () => pieces().setEncoding('latin1'),
      /gives values of type string; expected the bytes/,
    ],
    ['a Node stream of objects', () => Readable.from([{}]), /values of type object/],
    ['an empty Node stream', () => Readable.from([]), /is empty/],
    ['a data URL without a comma', () => 'data:image/png', /is no data URL/],
    ['a data URL of nothing', () => 'data:image/png;base64,', /is empty/],
    ['a data URL of no picture', () => 'data:text/plain,hello', /is of an unknown kind/],
  ])('%s', async (_, source, message) => {
    await expect(readSource((await source()) as Source, LIMIT)).rejects.toThrow(refusal('ERR_IMAGE', message))
  })

  it('a Node stream that another call reads at the same time', async () => {
    const stream = new PassThrough()
    const first = readSource(stream, LIMIT)
    await expect(readSource(stream, LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /was read or destroyed already/),
    )
    stream.write(png.subarray(0, 20))
    stream.end(png.subarray(20))
    expect(await first).toMatchObject({ frame: { width: 3 } })
  })

  it('streams without end that leave nothing else its turn, once their signal aborts', async () => {
    const byte = Buffer.alloc(1)
    const node = new Readable({
      read() {
        this.push(byte)
      },
    })
    node.unshift(png)
    const web = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(png),
      pull: (controller) => controller.enqueue(byte),
    })
    for (const source of [node, web]) {
      const controller = new AbortController()
      const reason = new Error('enough')
      setImmediate(() => controller.abort(reason))
      // Without its turn for the signal, it would come to the end of what maxPixels allows.
      const reading = readSource(source, { maxPixels: 1, signal: controller.signal })
      await expect(reading).rejects.toBe(reason)
    }
  })

  it('more bytes than pictures of maxPixels have, and stops reading', async () => {
    const given = { node: 0, web: 0 }
    const piece = Buffer.alloc(1 << 20)
    png.copy(piece)
    const node = new Readable({
      read() {
        given.node++
        this.push(piece)
      },
    })
    const web = new ReadableStream({
      pull(controller) {
        given.web++
        controller.enqueue(Uint8Array.from(piece))
      },
    })
    const long = Buffer.concat([piece, Buffer.alloc(17e6)])
    for (const source of [
      node,
      web,
      new Blob([long]),
      `data:image/png;base64,${long.toString('base64')}`,
      await temporaryFile(long, 'long.png'),
    ]) {
      await expect(readSource(source, { maxPixels: 1000 })).rejects.toThrow(
        refusal('ERR_IMAGE_TOO_LARGE', /longer than 16785216 bytes.*Raise maxPixels/),
      )
    }
    expect(given.node).toBeLessThan(20)
    expect(given.web).toBeLessThan(20)
    expect(node.destroyed).toBe(true)
  })
})

describe('Standard input', () => {
  /** Reads `-` so many times in a process of its own and tells what became of it. */
  async function outcomes(times: number, input: Uint8Array | null, signal = ''): Promise<string[]> {
    const program = `
      import { readSource } from '#lib/image/source.js'
      const signal = ${signal || 'undefined'}
      for (let i = 0; i < ${times}; i++) {
        const read = readSource('-', { maxPixels: 1e6, signal })
        console.log(await read.then(({ name, frame }) => name + ' ' + frame.width, (error) => error.message))
      }`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (input !== null) child.stdin.end(input)
    const output = (await child.stdout.toArray()).join('')
    return output.trim().split('\n')
  }

  it('is read to its end, once', async () => {
    expect(await outcomes(2, png)).toEqual(['- 3', 'Standard input was read already: it can be read once.'])
    expect(await outcomes(1, Buffer.alloc(0))).toEqual(['Standard input is empty.'])
    expect(await outcomes(1, Buffer.from('text'))).toEqual([
      expect.stringMatching(/^Standard input is of an unknown kind/),
    ])
  })

  it('that stays open keeps neither a call that is aborted nor the process', async () => {
    expect(await outcomes(1, null, 'AbortSignal.timeout(50)')).toEqual([
      'The operation was aborted due to timeout',
    ])
  })
})
