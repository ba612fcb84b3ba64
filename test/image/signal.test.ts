import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import sharp, { type Sharp } from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { availableProcessors } from '#lib/base/available-processors.js'
import { onThread } from '#lib/image/pool.js'
import { readSource, type Source } from '#lib/image/source.js'
import { refusal } from '../helpers/refusal.js'

const LIMIT = { maxPixels: 1e8 }
const PERSON: Buffer = readFileSync('models/person/person.jpg')
const never = new Promise<never>(() => {})

let big: Buffer
beforeAll(async () => {
  big = await sharp({ create: { width: 6000, height: 6000, channels: 3, background: '#888' } })
    .jpeg()
    .toBuffer()
})

/** What looks like sharp and never answers. */
const stranger = (silent: 'metadata' | 'toBuffer') => {
  const it = {
    clone: () => it,
    autoOrient: () => it,
    toColourspace: () => it,
    raw: () => it,
    metadata: () => (silent === 'metadata' ? never : sharp(PERSON).metadata()),
    toBuffer: () => never,
  }
  return it as unknown as Sharp
}

/** Sources that never come to an end by themselves, or not at once. */
const ENDLESS: [string, () => Source][] = [
  ['a sharp pipeline that a stream feeds without end', () => new PassThrough().pipe(sharp())],
  ['a sharp pipeline that nothing feeds', () => sharp()],
  ['what looks like sharp and is silent about its metadata', () => stranger('metadata')],
  ['what looks like sharp and is silent about its pixels', () => stranger('toBuffer')],
  ['a Node stream', () => new PassThrough()],
  ['a web stream', () => new ReadableStream()],
  ['a Response', () => new Response(new ReadableStream())],
  ['a Blob', () => ({ size: 9, type: '', arrayBuffer: () => never, stream: () => null })],
  ['a large file that is being decoded', () => big],
  ['a sharp pipeline that is being decoded', () => sharp(big)],
]

/** The width alone, for a failing test would write down every pixel, at 500 bytes each. */
async function widthOf(source: Source, signal?: AbortSignal): Promise<number> {
  return (await readSource(source, { ...LIMIT, signal })).frame.width
}

describe('An abort of the signal', () => {
  it.each(ENDLESS)('rejects at once with its reason, for %s', async (_, source) => {
    const controller = new AbortController()
    const reading = widthOf(source(), controller.signal)
    setImmediate(() => controller.abort(new Error('enough')))
    await expect(reading).rejects.toThrow('enough')
    await expect.poll(() => getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it.each(ENDLESS)('that came before rejects without touching the source, for %s', async (_, source) => {
    const reason = { any: 'value' }
    const reading = widthOf(source(), AbortSignal.abort(reason))
    await expect(reading).rejects.toBe(reason)
  })

  it.each(ENDLESS)('leaves room for others, after twenty of %s', async (_, source) => {
    const controller = new AbortController()
    const readings = Array.from({ length: 20 }, () => widthOf(source(), controller.signal))
    setImmediate(() => controller.abort())
    for (const { status } of await Promise.allSettled(readings)) expect(status).toBe('rejected')
    await expect(widthOf(PERSON)).resolves.toBe(640)
  })

  it('lets go of the stream that was read', async () => {
    const node = new PassThrough()
    const cancelled = new Promise((resolve) => {
      const web = new ReadableStream({ cancel: resolve })
      const controller = new AbortController()
      for (const source of [node, web]) {
        readSource(source, { ...LIMIT, signal: controller.signal }).catch(() => {})
      }
      setImmediate(() => controller.abort())
    })
    await cancelled
    expect(node.destroyed).toBe(true)
  })

  it('leaves nothing on the signal or the pipeline when reading has settled', async () => {
    const { signal } = new AbortController()
    const source = sharp(PERSON)
    const listeners = source.listenerCount('close')
    const readings = Array.from({ length: 20 }, () => readSource(source, { ...LIMIT, signal }))
    // Node takes more than ten on one emitter for a leak.
    expect(source.listenerCount('error')).toBe(1)
    await Promise.all(readings)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(source.listenerCount('close')).toBe(listeners)
    expect(source.listenerCount('error')).toBe(0)
  })
})

describe('A sharp pipeline whose upload breaks off', () => {
  const BROKEN = refusal('ERR_IMAGE', /^The sharp pipeline was destroyed before its input was complete/)

  it('is refused where it breaks off while it is read', async () => {
    const upload = new PassThrough()
    const image = sharp()
    const uploading = pipeline(upload, image)
    upload.write(PERSON.subarray(0, 5000))
    const reading = readSource(image, LIMIT)
    setImmediate(() => upload.destroy(new Error('the network went away')))
    await expect(reading).rejects.toThrow(BROKEN)
    await expect(reading).rejects.toThrow(/\(the network went away\)/)
    await expect(uploading).rejects.toThrow('the network went away')
  })

  it('is refused where it broke off before, with and without an error', async () => {
    for (const error of [undefined, new Error('gone')]) {
      const image = sharp()
      image.on('error', () => {})
      image.write(PERSON)
      image.destroy(error)
      await expect(readSource(image, LIMIT)).rejects.toThrow(BROKEN)
    }
  })

  it('is refused to all who read it', async () => {
    const image = sharp()
    const readings = Array.from({ length: 8 }, () => readSource(image, LIMIT))
    image.destroy(new Error('gone'))
    for (const result of await Promise.allSettled(readings)) {
      expect(result).toMatchObject({ status: 'rejected', reason: BROKEN })
    }
  })

  it('may be read by many at the same time without a warning of leaks', async () => {
    const image = sharp()
    const readings = Array.from({ length: 20 }, () => readSource(image, LIMIT))
    await expect.poll(() => image.listenerCount('finish')).toBeGreaterThan(0)
    for (const event of ['finish', 'close', 'error']) expect(image.listenerCount(event)).toBeLessThan(10)
    image.end(PERSON)
    for (const { frame } of await Promise.all(readings)) expect(frame.width).toBe(640)
  })

  it('is no fault of one that was fed to its end, or that gave its own output', async () => {
    const fed = sharp()
    await pipeline(Readable.from([PERSON]), fed)
    const piped = sharp(PERSON)
    await pipeline(piped.clone().jpeg(), new PassThrough().resume())
    for (const image of [fed, piped]) {
      await expect(readSource(image, LIMIT)).resolves.toMatchObject({ frame: { width: 640 } })
    }
  })
})

describe('onThread', () => {
  it("takes no more of libuv's threads than processors, leaves one, and those who wait hear their signal", async () => {
    const most = Math.min(3, Math.max(2, availableProcessors()))
    const ends: (() => void)[] = []
    let running = 0
    const work = () => {
      running++
      return new Promise<void>((resolve) => ends.push(resolve))
    }
    const controller = new AbortController()
    const inside = Array.from({ length: most }, () => onThread(undefined, work))
    const waiting = onThread(controller.signal, work)
    const patient = onThread(undefined, work)
    await new Promise(setImmediate)
    expect(running).toBe(most)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    ends[0]()
    await inside[0]
    await new Promise(setImmediate)
    expect(running).toBe(most + 1)
    for (const end of ends) end()
    await Promise.all([...inside, patient])
  })
})
