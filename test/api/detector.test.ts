import { getEventListeners, once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DetectionFailure,
  type DetectionResult,
  EfficientDet,
  EfficientDetError,
  type Frame,
  packDetections,
  type Source,
} from '#lib/index.js'
import { refusal } from '../helpers/refusal.js'

const PERSON = 'models/person/person.jpg'

/** A grey picture, in which the model finds nothing. */
function frame(width = 32, height = 32, value = 127): Frame {
  return { data: new Uint8Array(width * height).fill(value), format: 'grey', width, height }
}

let detector: EfficientDet
beforeAll(async () => {
  detector = await EfficientDet.load('person', { threads: 1 })
})
afterAll(() => detector.dispose())

describe('decode', () => {
  it('fast finds in a large JPEG what exact finds, in the pixels of the picture', async () => {
    const large = await sharp(PERSON).resize(2560, 1696).jpeg({ quality: 95 }).toBuffer()
    const exact = await detector.detect(large)
    const fast = await detector.detect(large, { decode: 'fast' })
    expect([fast.width, fast.height]).toEqual([2560, 1696])
    expect(fast.detections).toHaveLength(exact.detections.length)
    expect(exact.detections.length).toBeGreaterThan(0)
    for (const [i, { box, score }] of fast.detections.entries()) {
      expect(score).toBeCloseTo(exact.detections[i].score, 1)
      for (const [side, at] of box.entries()) {
        expect(Math.abs(at - exact.detections[i].box[side])).toBeLessThan(0.01 * 2560)
      }
    }
  })
})

describe('load', () => {
  it('tells what runs and why nothing faster does', () => {
    expect(detector.backend.name).toBe('cpu')
    expect(detector.backend.description).toMatch(/^onnxruntime \d+\.\d+\.\d+, 1 thread$/)
    expect(detector.backend.unavailable).toMatchObject([{ name: 'tensorrt', reason: expect.any(String) }])
  })

  it('finds everything about the model in its weights', () => {
    expect(detector.model).toMatchObject({
      variant: 'lite0',
      classes: 1,
      labels: ['person'],
      inputSize: { height: 320, width: 320 },
      preprocessing: { resize: 'antialiased', mean: [127, 127, 127], std: [128, 128, 128] },
    })
  })

  it('reports its stages in order', async () => {
    const stages: string[] = []
    const other = await EfficientDet.load('person', {
      inputSize: 64,
      onProgress: ({ stage }) => stages.push(stage),
    })
    await other.dispose()
    expect(stages).toEqual(['weights', 'graph', 'engine'])
  })

  it('does not fall back from a backend that was asked for', async () => {
    await expect(EfficientDet.load('person', { backend: 'tensorrt' })).rejects.toThrow(
      refusal('ERR_BACKEND_UNAVAILABLE', /looked for .*remedy/),
    )
  })

  it.each([
    ['persn', {}, 'ERR_MODEL_NOT_FOUND', /Did you mean person\?/],
    ['person', { backend: 'gpu' }, 'ERR_INVALID_OPTION', /backend is "gpu"; expected one of/],
    ['person', { inputSize: { height: 0, width: 64 } }, 'ERR_INVALID_OPTION', /inputSize\.height is 0/],
    ['person', { maxPendig: 3 }, 'ERR_INVALID_OPTION', /Did you mean maxPending\?/],
    ['person', { labels: ['background', 'person'] }, 'ERR_LABELS', /2 labels.*1 class/],
    [7, {}, 'ERR_INVALID_OPTION', /model is 7/],
  ] as const)('refuses %j with %j', async (model, options, code, message) => {
    await expect(EfficientDet.load(model as string, options as object)).rejects.toThrow(
      refusal(code, message),
    )
  })

  it('ends when its signal aborts, with the reason', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const loading = EfficientDet.load('person', {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await expect(loading).rejects.toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    await expect(EfficientDet.load('person', { signal: controller.signal })).rejects.toBe(reason)
  })
})

describe('detect', () => {
  it('finds the person', async () => {
    const result = await detector.detect(PERSON)
    expect(result).toMatchObject({ source: PERSON, width: 640, height: 424, pages: 1, backend: 'cpu' })
    expect(result.detections).toHaveLength(1)
    const [{ label, classId, score, box }] = result.detections
    expect([label, classId]).toEqual(['person', 0])
    expect(score).toBeCloseTo(0.647, 2)
    // As effdet's own pipeline finds it, with the float32 weights.
    const expected = [179.8, 94.2, 270.6, 370.9]
    box.forEach((side, i) => {
      expect(Math.abs(side - expected[i])).toBeLessThan(0.5)
    })
  })

  it('gives the same as typed arrays and as JSON', async () => {
    const result = await detector.detect(PERSON)
    const { boxes, scores, classIds } = packDetections(result.detections)
    expect([...boxes]).toEqual([...result.detections[0].box])
    expect([scores[0], classIds[0]]).toEqual([result.detections[0].score, 0])
  })

  it('refuses to pack what is no list of detections', async () => {
    const result = await detector.detect(frame())
    for (const found of [result, undefined, 'x']) {
      expect(() => packDetections(found as never)).toThrow(
        refusal('ERR_INVALID_OPTION', /^detections is .*; expected a list/),
      )
    }
  })

  it('gives plain data, which survives JSON, a clone, a port, a spread and printing', async () => {
    const result = await detector.detect(PERSON)
    expect(JSON.parse(JSON.stringify(result))).toEqual(result)
    expect(structuredClone(result)).toEqual(result)
    expect({ ...result }).toEqual(result)
    const { port1, port2 } = new MessageChannel()
    port1.postMessage(result)
    const [data] = await once(port2, 'message')
    port1.close()
    expect(data).toEqual(result)
    expect(inspect(result)).toContain("label: 'person'")
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
    expect(result.detections[0].label).toBe('person')
    expect(result.capped).toEqual({ preNmsTopK: false, maxDetections: false })
    expect(result.warnings).toEqual([])
  })

  it('tells how long each stage took', async () => {
    const { timings } = await detector.detect(PERSON)
    const { total, ...stages } = timings
    expect(Object.keys(stages).sort()).toEqual(['decode', 'network', 'postprocess', 'preprocess', 'queue'])
    const sum = Object.values(stages).reduce((a, b) => a + b)
    expect(sum).toBeGreaterThan(0)
    expect(sum).toBeLessThanOrEqual(total)
  })

  it('takes bytes, URLs and frames', async () => {
    const bytes = await readFile(PERSON)
    const url = new URL(`../../${PERSON}`, import.meta.url)
    for (const source of [
      bytes,
      url,
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    ]) {
      expect((await detector.detect(source as Source)).detections).toHaveLength(1)
    }
    expect((await detector.detect(frame())).detections).toHaveLength(0)
  })

  it('keeps to the frame as it was when the call was made', async () => {
    const person = await detector.detect(PERSON)
    const { default: sharp } = await import('sharp')
    const { data, info } = await sharp(PERSON).raw().toBuffer({ resolveWithObject: true })
    const call = detector.detect({ data, format: 'rgb', width: info.width, height: info.height })
    data.fill(0)
    expect((await call).detections).toEqual(person.detections)
  })

  it('gives 64 concurrent callers their own results', async () => {
    const sizes = Array.from({ length: 64 }, (_, i) => i + 8)
    const results = await Promise.all(sizes.map((side) => detector.detect(frame(side, side + 1))))
    expect(results.map(({ width, height }) => [width, height])).toEqual(sizes.map((side) => [side, side + 1]))
  })

  it.each([
    [{ scoreThreshold: 2 }, /scoreThreshold is 2; expected a number from 0 to 1/],
    [{ scoreThreshold: Number.NaN }, /scoreThreshold is NaN/],
    [{ maxDetections: 0 }, /maxDetections is 0/],
    [{ nms: 'soft' }, /nms is "soft"; expected one of/],
    [{ classes: ['persn'] }, /did you mean "person"\?/],
    [{ classes: [1] }, /class id from 0 to 0/],
    [{ scoreTreshold: 0.2 }, /Did you mean scoreThreshold\?/],
    [{ signal: {} }, /signal is an object; expected an AbortSignal/],
  ] as const)('refuses %j', async (options, message) => {
    await expect(detector.detect(PERSON, options as object)).rejects.toThrow(
      refusal('ERR_INVALID_OPTION', message),
    )
  })

  it('says of a frame on a GPU where it can be used', async () => {
    const onGpu = { devicePointer: 4096n, byteLength: 12, format: 'rgb', width: 2, height: 2 } as const
    await expect(detector.detect(onGpu)).rejects.toThrow(
      refusal(
        'ERR_INVALID_OPTION',
        /lies in a GPU's memory.*Copy it to the host, or load with backend 'tensorrt'/,
      ),
    )
  })

  it.each([[null], [undefined], [7], [{}], [[]], [{ data: 1, format: 'rgb' }]])(
    'refuses %j as a source',
    async (source) => {
      await expect(detector.detect(source as never)).rejects.toThrow(EfficientDetError)
    },
  )

  it('leaves out other classes', async () => {
    expect((await detector.detect(PERSON, { classes: [] })).detections).toHaveLength(0)
    expect((await detector.detect(PERSON, { classes: ['person'] })).detections).toHaveLength(1)
  })

  it('leaves the event loop free', async () => {
    let isPending = true
    const call = detector.detect(frame()).finally(() => (isPending = false))
    let turns = 0
    for (; isPending; turns++) await turn()
    await call
    // A network that ran on this thread would let the loop turn a few times, before it and after it.
    expect(turns).toBeGreaterThan(100)
  })
})

describe('abort', () => {
  it('rejects at once with its own reason: before, while queued, while running', async () => {
    const reason = new Error('no longer needed')
    await expect(detector.detect(PERSON, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)

    const controller = new AbortController()
    const { signal } = controller
    // Frames, which nothing overtakes while they are decoded.
    const before = detector.detect(frame(32))
    const [running, queued] = [33, 34].map((side) => detector.detect(frame(side), { signal }))
    const other = detector.detect(frame(35))
    const outcomes = Promise.allSettled([running, queued])
    await before
    controller.abort(reason)
    expect(await outcomes).toEqual(Array(2).fill({ status: 'rejected', reason }))
    expect((await other).width).toBe(35)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('wins over a bad picture that is read meanwhile', async () => {
    // Also one that looks like a picture's own.
    const reason = new EfficientDetError('ERR_IMAGE', 'no longer needed')
    for (const begin of [
      (signal: AbortSignal) => detector.detect('missing.jpg', { signal }),
      (signal: AbortSignal) => detector.detectBatch(['missing.jpg', 'missing.jpg'], { signal }),
    ]) {
      const controller = new AbortController()
      const call = begin(controller.signal)
      controller.abort(reason)
      await expect(call).rejects.toBe(reason)
    }
  })

  it('does nothing when it comes late', async () => {
    const controller = new AbortController()
    const result = await detector.detect(PERSON, { signal: controller.signal })
    controller.abort()
    expect(result.detections).toHaveLength(1)
  })
})

describe('detectBatch', () => {
  it('puts an error in the place of a picture that fails', async () => {
    const results = await detector.detectBatch([PERSON, 'missing.jpg', frame(), { ...frame(), stride: 3 }])
    expect(
      results.map((result) => ('error' in result ? result.error.code : result.detections.length)),
    ).toEqual([1, 'ERR_IMAGE', 0, 'ERR_INVALID_OPTION'])
    expect(results[1].source).toBe('missing.jpg')
  })

  it('gives back what an item carries, with its result or its error', async () => {
    const results = await detector.detectBatch([
      { source: frame(), context: { pts: 40n } },
      { source: 'missing.jpg', context: null },
      frame(),
    ])
    expect(results).toMatchObject([{ width: 32, context: { pts: 40n } }, { context: null }, { width: 32 }])
    expect('error' in results[1]).toBe(true)
    expect('context' in results[2]).toBe(false)
  })

  it('takes a bad item for the fault of that item alone', async () => {
    const bad = {
      source: frame(),
      get context() {
        throw new Error('as told')
      },
    }
    // @ts-expect-error An item has nothing else that would come back.
    const [unknown, throwing, good] = await detector.detectBatch([{ source: PERSON, pts: 1 }, bad, frame()])
    expect(unknown).toMatchObject({
      source: PERSON,
      error: refusal('ERR_INVALID_OPTION', /no option "pts" in an item/),
    })
    expect(throwing).toMatchObject({
      source: null,
      error: refusal('ERR_INVALID_OPTION', /^Looking at the item throws: as told/),
    })
    expect(good).toMatchObject({ width: 32 })
  })

  it('takes sets, generators and async generators of any length', async () => {
    async function* images() {
      for (let i = 0; i < 100; i++) yield frame(8, 8 + i)
    }
    const heights = Array.from({ length: 100 }, (_, i) => 8 + i)
    const batch = await detector.detectBatch(images(), { scoreThreshold: 0.9 })
    expect(batch.map((result) => (result as DetectionResult).height)).toEqual(heights)
    expect(await detector.detectBatch(new Set([PERSON, 'missing.jpg']))).toMatchObject([
      { source: PERSON },
      { source: 'missing.jpg' },
    ])
    expect(await detector.detectBatch([])).toEqual([])
  })

  it.each([['a.jpg'], [null], [undefined], [7], [{}], [frame()], [new Uint8Array(3)], [sharp(PERSON)]])(
    'refuses %s in place of many images, as stream does',
    async (items) => {
      const expected = refusal('ERR_INVALID_OPTION', /sources is .*; expected an iterable/)
      await expect(detector.detectBatch(items as never)).rejects.toThrow(expected)
      await expect(detector.stream(items as never).next()).rejects.toThrow(expected)
    },
  )

  it('rejects with the error of a source that fails', async () => {
    const error = new Error('the folder went away')
    await expect(
      detector.detectBatch(
        (function* () {
          yield frame()
          throw error
        })(),
      ),
    ).rejects.toBe(error)
  })

  it('rejects as a whole when aborted', async () => {
    const reason = new Error('stop')
    const controller = new AbortController()
    const batch = detector.detectBatch(Array(20).fill(PERSON), { signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    await expect(batch).rejects.toBe(reason)
  })
})

describe('stream', () => {
  it('yields in order and never works on more than maxInFlight', async () => {
    let pulled = 0
    let yielded = 0
    let most = 0
    function* frames() {
      for (let i = 0; i < 12; i++) {
        pulled++
        most = Math.max(most, pulled - yielded)
        yield frame(16 + i)
      }
    }
    const widths: number[] = []
    for await (const { width } of detector.stream(frames(), { maxInFlight: 3 })) {
      widths.push(width)
      yielded++
    }
    expect(widths).toEqual(Array.from({ length: 12 }, (_, i) => 16 + i))
    expect(most).toBeLessThanOrEqual(4)
  })

  it('yields a result before the next picture has come', async () => {
    let release = () => {}
    const later = new Promise<void>((resolve) => (release = resolve))
    async function* camera() {
      yield frame(20)
      await later
      yield frame(21)
    }
    const widths: number[] = []
    for await (const { width } of detector.stream(camera())) {
      widths.push(width)
      release()
    }
    expect(widths).toEqual([20, 21])
  })

  it('yields the error of a bad image in its place, or throws it', async () => {
    const sources = [frame(), 'missing.jpg', frame()]
    const outcomes: (DetectionResult | DetectionFailure)[] = []
    for await (const outcome of detector.stream(sources, { onError: 'yield' })) outcomes.push(outcome)
    expect(outcomes).toMatchObject([
      { width: 32 },
      { source: 'missing.jpg', error: { code: 'ERR_IMAGE' } },
      { width: 32 },
    ])
    await expect(async () => {
      for await (const _ of detector.stream(sources));
    }).rejects.toThrow(refusal('ERR_IMAGE', /no such file/))
  })

  it('gives back what items carry, and does not type-check with a path', async () => {
    const items = [9, 10].map((id) => ({ source: frame(id, id), context: { id } }))
    const ids: number[] = []
    for await (const { context, width } of detector.stream(items)) ids.push(context.id, width)
    expect(ids).toEqual([9, 9, 10, 10])
    // @ts-expect-error A text is an iterable of letters.
    const stream = detector.stream('a.jpg')
    await expect(stream.next()).rejects.toThrow(
      refusal('ERR_INVALID_OPTION', /detect\(\) takes a single one/),
    )
  })

  it('answers what a source gave before it failed, and then throws its error', async () => {
    const error = new Error('the camera went away')
    async function* failing() {
      for (const width of [10, 11, 12]) yield frame(width)
      throw error
    }
    const widths: number[] = []
    await expect(async () => {
      for await (const { width } of detector.stream(failing())) widths.push(width)
    }).rejects.toBe(error)
    expect(widths).toEqual([10, 11, 12])
  })

  it('ends its source when left early', async () => {
    let ended = false
    function* endless() {
      try {
        for (;;) yield frame()
      } finally {
        ended = true
      }
    }
    for await (const _ of detector.stream(endless())) break
    expect(ended).toBe(true)
  })

  it('ends with the Node stream that reads it, while its source is silent', async () => {
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    const reader = Readable.from(detector.stream(silent)).resume()
    await turn()
    await once(reader.destroy(), 'close')
  })

  it('stops at once when aborted while its source is silent', async () => {
    const controller = new AbortController()
    const reason = new Error('over')
    async function* silent() {
      yield frame()
      await new Promise(() => {})
    }
    const seen: number[] = []
    await expect(async () => {
      for await (const { width } of detector.stream(silent(), { signal: controller.signal })) {
        seen.push(width)
        setImmediate(() => controller.abort(reason))
      }
    }).rejects.toBe(reason)
    expect(seen).toEqual([32])
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })
})

describe('a full queue', () => {
  it('rejects where that was asked for, and has room again afterwards', async () => {
    const small = await EfficientDet.load('person', { maxPending: 2, whenFull: 'reject', inputSize: 64 })
    const calls = [1, 2, 3].map(() => small.detect(frame()))
    await expect(calls[2]).rejects.toThrow(refusal('ERR_QUEUE_FULL', /2 calls are pending/))
    await Promise.all(calls.slice(0, 2))
    await expect(small.detect(frame())).resolves.toMatchObject({ backend: 'cpu' })
    await expect(small.detectBatch(Array(8).fill(frame()))).resolves.toHaveLength(8)
    await small.dispose()
  })
})

describe('dispose', () => {
  it('ends a stream, whatever its onError', async () => {
    const other = await EfficientDet.load('person', { inputSize: 64 })
    let yielded = 0
    await expect(async () => {
      for await (const _ of other.stream(Array(50).fill(frame()), {
        onError: 'yield',
      })) {
        yielded++
        void other.dispose()
      }
    }).rejects.toThrow(refusal('ERR_DISPOSED', /disposed/))
    expect(yielded).toBeLessThan(50)
    await other.dispose()
  })

  it('ends streams and batches whose source is silent', async () => {
    const other = await EfficientDet.load('person', { inputSize: 64 })
    const silent = () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) })
    const idle = [other.stream(silent()).next(), other.detectBatch(silent())]
    await Promise.all([
      other.dispose(),
      ...idle.map((call) => expect(call).rejects.toThrow(refusal('ERR_DISPOSED', /disposed/))),
    ])
  })

  it('waits for calls in flight, refuses new ones, and may be repeated', async () => {
    const other = await EfficientDet.load('person', { inputSize: 64 })
    const call = other.detect(PERSON)
    const disposal = other[Symbol.asyncDispose]()
    await expect(other.detect(PERSON)).rejects.toThrow(refusal('ERR_DISPOSED', /disposed/))
    await expect(call).resolves.toMatchObject({ backend: 'cpu' })
    await disposal
    await other.dispose()
  })

  it('gives its thread back', async () => {
    const count = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
    const before = count()
    const other = await EfficientDet.load('person', { inputSize: 64 })
    await other.detect(frame())
    await other.dispose()
    await expect.poll(count).toBeLessThanOrEqual(before)
  })
})
