import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { isTimeout } from '#lib/image/decode.js'
import { mendJpeg, scansOf } from '#lib/image/jpeg.js'
import { readBytes, readSource } from '#lib/image/source.js'
import { cpuTime } from '../helpers/cpu-time.js'
import { refusal } from '../helpers/refusal.js'
// @ts-expect-error It has no types, for programs import it too.
import { allScans, flatProgressive } from '../hostile/pictures.mjs'

const LIMIT = { maxPixels: 1e8 }

describe('A JPEG of a stranger is mended', () => {
  /** Begins as a JPEG does, and goes on with the same bytes. */
  const jpegOf = (length: number, ...bytes: number[]) => {
    const file = Buffer.alloc(length).fill(Uint8Array.from(bytes))
    file.set([0xff, 0xd8])
    return file
  }

  it.each([
    ['millions of segments', jpegOf(2 ** 26 + 2, 0xff, 0xe1, 0, 2)],
    ['millions of scans', jpegOf(2 ** 26, 0xff, 0xda, 0, 2)],
    ['stuffed bytes alone', jpegOf(2 ** 26, 0xff, 0)],
    ['fill bytes alone', jpegOf(2 ** 26, 0xff)],
    ['more bytes than are looked at', jpegOf(2 ** 28, 0xff, 0)],
  ])('in little time and memory: %s', (_, file) => {
    const before = process.resourceUsage().maxRSS
    const begin = cpuTime()
    expect(mendJpeg(file)).toBeNull()
    expect(cpuTime() - begin).toBeLessThan(2000)
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(50e3)
  })
})

describe('Scans of a JPEG', () => {
  it('are bounded, right as all of them may be: each costs as much as the whole picture', async () => {
    const jpeg = await flatProgressive(2000)
    const bomb = allScans(jpeg)
    expect(bomb.length).toBeLessThan(100_000)
    expect(scansOf(bomb)).toBe(1 + 63 * 14)
    const begin = cpuTime()
    await expect(readSource(bomb, LIMIT)).rejects.toThrow(
      refusal('ERR_IMAGE', /has more than 100 scans, .* Save it anew/),
    )
    expect(cpuTime() - begin).toBeLessThan(500)
    expect(scansOf(jpeg)).toBeLessThan(20)
    expect(scansOf(readFileSync('models/person/person.jpg'))).toBe(1)
  })

  it('are those before the end, and not what else looks like one', () => {
    const scan = [0xff, 0xda, 0, 2, 1, 2, 0xff, 0, 0xff, 0xd0, 3]
    const segment = [0xff, 0xe1, 0, 6, 0xff, 0xda, 0, 2]
    const end = [0xff, 0xd9]
    expect(scansOf(Uint8Array.from([0xff, 0xd8, ...segment, ...scan, ...scan, ...end, ...scan]))).toBe(2)
    expect(scansOf(Uint8Array.from([0xff, 0xd8, 0xff, 0xda, 0, 0, ...scan]))).toBe(2)
  })
})

describe('Bytes of a stranger', () => {
  it('take their own size, however small their pieces', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const held = () => {
      collect()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      return heapUsed + arrayBuffers
    }
    const COUNT = 200_000
    const gif = Buffer.from('GIF89a')
    let given = 0
    let grown = 0
    const before = held()
    const stream = new Readable({
      read() {
        // Each comes by itself and has memory of its own, as pieces from a socket do.
        setImmediate(() => {
          this.push(given < COUNT ? Uint8Array.of(gif[given] ?? 0) : null)
          if (given++ === COUNT - 1) grown = held() - before
        })
      },
    })
    expect(await readBytes(stream, 'x', LIMIT)).toHaveLength(COUNT)
    expect(grown).toBeLessThan(10e6)
  })

  it('come whole out of pieces of any size', async () => {
    const bytes = Buffer.alloc(300_000, 'GIF89a, and more of it; ')
    for (const size of [1000, 65_536, 65_537, 200_000, 300_000]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      )
      expect(Buffer.compare(await readBytes(Readable.from(pieces), 'x', LIMIT), bytes)).toBe(0)
    }
  })

  it.each([
    ['escapes', '%41%4a%4A', 'AJJ'],
    ['what is no escape', '%4%zz%g1%', '%4%zz%g1%'],
    ['an escaped percent sign', '%2541', '%41'],
  ])('in a data URL are unescaped: %s', async (_, escaped, expected) => {
    expect(Buffer.from(await readBytes(`data:,${escaped}`, 'x', LIMIT)).toString()).toBe(expected)
    const base64 = Buffer.from(expected).toString('base64').replaceAll('=', '%3D').replaceAll('/', '%2f')
    expect(Buffer.from(await readBytes(`data:;base64,${base64}`, 'x', LIMIT)).toString()).toBe(expected)
  })

  it('in a data URL take little time, all escaped as they may be', async () => {
    const url = `data:,${'%00'.repeat(2e7)}`
    const begin = cpuTime()
    expect((await readBytes(url, 'x', LIMIT)).length).toBe(2e7)
    expect(cpuTime() - begin).toBeLessThan(3000)
  })
})

it('What sharp says of a decoding that took too long is known', async () => {
  const slow = sharp({ create: { width: 8000, height: 8000, channels: 3, background: '#123' } })
    .blur(60)
    .timeout({ seconds: 1 })
  const error = await slow.toBuffer().catch((reason: unknown) => reason)
  expect(isTimeout(error)).toBe(true)
})
