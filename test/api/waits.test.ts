import { getEventListeners } from 'node:events'
import { PassThrough } from 'node:stream'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { EfficientDet, type Frame, type LoadOptions, type Source } from '#lib/index.js'
import { refusal } from '../helpers/refusal.js'

const PERSON = 'models/person/person.jpg'
const reason = new Error('no longer needed')

function frame(width: number): Frame {
  return { data: new Uint8Array(width * width), format: 'grey', width, height: width }
}

function load(options: LoadOptions): Promise<EfficientDet> {
  return EfficientDet.load('person', { backend: 'cpu', inputSize: 64, threads: 1, ...options })
}

/** Sources of which nothing ever comes. */
const HANGING: readonly [string, () => Source][] = [
  ['a sharp pipeline', () => new PassThrough().pipe(sharp())],
  ['a Node stream', () => new PassThrough()],
  ['a web stream', () => new ReadableStream<Uint8Array>()],
  ['a Response', () => new Response(new ReadableStream())],
]

describe.each(HANGING)('%s that never ends', (_, source) => {
  it('gives its place back when its signal aborts, and holds nobody up', async () => {
    const detector = await load({ maxPending: 2 })
    const controller = new AbortController()
    const { signal } = controller
    const hanging = [1, 2, 3].map(() => detector.detect(source(), { signal }))
    const waiting = detector.detect(frame(8))
    controller.abort(reason)
    for (const call of hanging) await expect(call).rejects.toBe(reason)
    expect((await waiting).width).toBe(8)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await detector.dispose()
  })

  it('does not keep a detector from its disposal, which answers the others', async () => {
    const detector = await load({ maxPending: 2 })
    const hanging = [1, 2].map(() => detector.detect(source()))
    const waiting = detector.detect(frame(8))
    const last = detector.detect(source())
    const disposal = detector.dispose()
    for (const call of [...hanging, last]) {
      await expect(call).rejects.toThrow(refusal('ERR_DISPOSED', /was disposed/))
    }
    expect((await waiting).width).toBe(8)
    await disposal
  })

  it('ends with its stream of images, and so does a batch', async () => {
    const detector = await load({ maxPending: 2 })
    const controller = new AbortController()
    const { signal } = controller
    const batch = detector.detectBatch([source(), source(), source()], { signal })
    const next = detector.stream([source()], { signal }).next()
    controller.abort(reason)
    await expect(batch).rejects.toBe(reason)
    await expect(next).rejects.toBe(reason)
    await detector.dispose()
  })
})

describe('bytes of images', () => {
  it('let images run alone that are larger than all, in files and in frames', async () => {
    const detector = await load({ maxPendingBytes: 1 })
    const sources = [PERSON, frame(8), PERSON, sharp(PERSON), frame(9), PERSON, frame(10)]
    const results = await Promise.all(sources.map((source) => detector.detect(source)))
    expect(results.map(({ width }) => width)).toEqual([640, 8, 640, 640, 9, 640, 10])
    expect(await detector.detectBatch(sources)).toHaveLength(7)
    await detector.dispose()
  })

  it('count as calls do where a full queue rejects', async () => {
    const detector = await load({ maxPendingBytes: 100, whenFull: 'reject' })
    const first = detector.detect(frame(8))
    const second = detector.detect(frame(6))
    await expect(detector.detect(frame(2))).rejects.toThrow(
      refusal('ERR_QUEUE_FULL', /16 calls are pending already, or their images have 100 bytes/),
    )
    await Promise.all([first, second])
    expect((await detector.detect(frame(2))).width).toBe(2)
    await detector.dispose()
  })

  it('are given back by images that fail or are given up', async () => {
    const detector = await load({ maxPendingBytes: 100, whenFull: 'reject' })
    const controller = new AbortController()
    const aborted = detector.detect(frame(10), { signal: controller.signal })
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    await expect(detector.detect('missing.jpg')).rejects.toThrow(refusal('ERR_IMAGE', /no such file/))
    expect((await detector.detect(frame(10))).width).toBe(10)
    await detector.dispose()
  })
})
