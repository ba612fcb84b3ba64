import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import { type AllocatedFrame, EfficientDet, type FrameLayout, type LoadOptions } from '#lib/index.js'
import { held } from '../helpers/builds.js'
import { PERSON } from '../helpers/cli.js'
import { emulation, engineThatKnows, formatOf, frameOf, hasEmulated } from '../helpers/emulated.js'
import { expectSame, load as loadEmulated, OPTIONS } from '../helpers/emulated-detector.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

const SMALL = { inputSize: 64, engine: { selfTest: false } } as const
const FAKE = { backend: 'tensorrt', backendLibrary: FAKE_BACKEND } as const

function loadFake(options: LoadOptions = {}, behaviour = ''): Promise<EfficientDet> {
  process.env.FAKE_BACKEND = behaviour
  return EfficientDet.load('person', { ...SMALL, ...FAKE, ...options })
}

function loadCpu(options: LoadOptions = {}): Promise<EfficientDet> {
  return EfficientDet.load('person', { ...SMALL, backend: 'cpu', threads: 1, ...options })
}

const GREY = { format: 'grey', width: 10, height: 10 } as const

function filled(detector: EfficientDet, mark: number, layout: FrameLayout = GREY): AllocatedFrame {
  const frame = detector.allocateFrame(layout)
  frame.data.fill(mark)
  return frame
}

afterEach(() => {
  delete process.env.FAKE_BACKEND
})

describe.each([
  ['the CPU backend', loadCpu, true],
  ['a native backend', loadFake, hasNative],
] as const)('frames that %s allocates', (_, load, isThere) => {
  if (!isThere) return

  it('say what they were asked for, have room for whole rows, and begin with zeros', async () => {
    await using detector = await load()
    const layout = { format: 'nv12', width: 5, height: 3, stride: 8, matrix: 'bt709', range: 'full' } as const
    using frame = detector.allocateFrame(layout)
    expect(frame).toMatchObject(layout)
    expect(frame.data).toEqual(new Uint8Array(8 * 3 + 8 * 2))
    using plain = detector.allocateFrame(GREY)
    expect(Object.keys(plain).sort()).toEqual(['data', 'format', 'height', 'width'])
  })

  it.each([
    [{ ...GREY, width: 0 }, /width 0/],
    [{ ...GREY, stride: 9 }, /stride of 9/],
    [{ ...GREY, format: 'jpeg' }, /format "?jpeg/],
    [{ ...GREY, data: null }, /no option "data"/],
    [{ ...GREY, matrix: 'bt709' }, /a matrix, and format grey/],
    [null, /the layout null/],
  ])('are refused where the layout is none: %o', async (layout, message) => {
    await using detector = await load()
    expect(() => detector.allocateFrame(layout as FrameLayout)).toThrow(
      refusal('ERR_INVALID_OPTION', message),
    )
  })

  it('are refused with more pixels than pictures may have', async () => {
    await using detector = await load({ maxPixels: 99 })
    expect(() => detector.allocateFrame(GREY)).toThrow(refusal('ERR_IMAGE_TOO_LARGE', /10×10, 100 pixels/))
  })

  it('have no more bytes together than calls may have, until they are disposed', async () => {
    await using detector = await load({ maxPendingBytes: 250 })
    const first = detector.allocateFrame(GREY)
    using second = detector.allocateFrame(GREY)
    const full = refusal('ERR_OUT_OF_MEMORY', /^100 bytes .* 200 of 250 bytes.* raise maxPendingBytes/)
    expect(() => detector.allocateFrame(GREY)).toThrow(full)
    first.dispose()
    first.dispose()
    expect([first.data.byteLength, second.data.byteLength]).toEqual([0, 100])
    using third = detector.allocateFrame(GREY)
    expect(third.data).toHaveLength(100)
    expect(() => detector.allocateFrame(GREY)).toThrow(full)
  })

  it('make room for others when they are forgotten, and collected', async () => {
    await using detector = await load({ maxPendingBytes: 100 })
    for (let i = 0; i < 3; i++) {
      // A frame of the loop's, which nothing holds afterwards.
      await detector.detect(filled(detector, i))
      for (let room = false; !room; ) {
        gc()
        await setImmediate()
        try {
          detector.allocateFrame(GREY).dispose()
          room = true
        } catch {}
      }
    }
  })

  it('are not taken once they were disposed', async () => {
    await using detector = await load()
    const frame = detector.allocateFrame(GREY)
    frame.dispose()
    await expect(detector.detect(frame)).rejects.toThrow(refusal('ERR_INVALID_OPTION', /was it disposed/))
  })

  it('end with the last call that uses them where they are disposed before', async () => {
    await using detector = await load({ maxPending: 1 })
    const frame = filled(detector, 200)
    const calls = [detector.detect(frame), detector.detect(frame), detector.detect({ ...frame })]
    frame.dispose()
    await expect(detector.detect(frame)).rejects.toThrow(refusal('ERR_INVALID_OPTION', /was disposed/))
    expect(frame.data).toHaveLength(100)
    const [first, ...others] = await Promise.all(calls)
    for (const { detections } of others) expect(detections).toEqual(first.detections)
    expect(frame.data).toHaveLength(0)
  })

  it('outlive their detector, for others', async () => {
    const first = await load()
    using frame = filled(first, 200)
    const { detections } = await first.detect(frame)
    await first.dispose()
    expect(() => first.allocateFrame(GREY)).toThrow(refusal('ERR_DISPOSED', /was disposed/))
    await using second = await load()
    expect((await second.detect(frame)).detections).toEqual(detections)
    expect(frame.data[99]).toBe(200)
  })
})

describe('frames that the CPU backend allocates', () => {
  it('are answered as frames in other memory', async () => {
    await using detector = await loadCpu()
    for (let i = 0; i < 7; i++) {
      const plain = await frameOf(PERSON, formatOf(i), 160)
      using frame = detector.allocateFrame({ format: plain.format, width: plain.width, height: plain.height })
      frame.data.set(plain.data)
      const [expected, found] = await Promise.all([plain, frame].map((one) => detector.detect(one, OPTIONS)))
      expect(found.detections).toEqual(expected.detections)
    }
  })
})

describe.skipIf(!hasNative)('frames that a native backend allocates', () => {
  const scores = async (calls: readonly ReturnType<EfficientDet['detect']>[]) =>
    (await Promise.all(calls)).map(({ detections }) => Math.round(detections[0].score * 255))

  it('are read in place, through whatever view, also by calls that wait for their turn', async () => {
    const { behaviour, letGo } = await held('batches')
    await using detector = await loadFake({ maxPending: 4 }, behaviour)
    using frame = filled(detector, 150)
    const plain = { ...GREY, data: frame.data.slice() }
    const rows = { ...GREY, height: 5, data: Buffer.from(frame.data.buffer, 50, 50) }
    const calls = [plain, frame, { ...frame }, rows, frame, plain].map((one) => detector.detect(one))
    frame.data.fill(200)
    plain.data.fill(250)
    letGo()
    expect(await scores(calls)).toEqual([150, 200, 200, 200, 200, 150])
  })

  it('stay where they are while a call runs that was given up', async () => {
    const { behaviour, letGo } = await held('batches')
    await using detector = await loadFake({}, behaviour)
    const reason = new Error('enough')
    const controller = new AbortController()
    const frame = filled(detector, 150)
    const call = detector.detect(frame, { signal: controller.signal })
    controller.abort(reason)
    frame.dispose()
    await expect(call).rejects.toBe(reason)
    expect(frame.data).toHaveLength(0)
    // Not in the place of the one that a batch still reads.
    using next = filled(detector, 200)
    const later = detector.detect(next)
    letGo()
    expect(await scores([later])).toEqual([200])
  })

  it('leave their memory to whoever takes it over', async () => {
    await using detector = await loadFake()
    const frame = filled(detector, 150)
    const buffer = frame.data.buffer as ArrayBuffer & { transfer?(): ArrayBuffer }
    const { port1, port2 } = new MessageChannel()
    try {
      // Clones it, or throws, by the version of Node.
      port1.postMessage(buffer, [buffer])
    } catch {}
    port1.close()
    port2.close()
    expect(await scores([detector.detect(frame)])).toEqual([150])
    const taken = buffer.transfer?.() ?? buffer.slice()
    frame.dispose()
    using next = filled(detector, 200)
    expect(new Uint8Array(taken)).toEqual(new Uint8Array(100).fill(150))
    expect(await scores([detector.detect(next)])).toEqual([200])
  })

  it('serve all GPUs of a detector', async () => {
    await using detector = await loadFake({ device: [0, 1] }, 'devices=2')
    using frame = filled(detector, 150)
    expect(await scores(Array.from({ length: 4 }, () => detector.detect(frame)))).toEqual([
      150, 150, 150, 150,
    ])
  })

  it('come no more from a backend that hangs, and those that there are stay', async () => {
    await using detector = await loadFake({ inferenceDeadline: 1 }, 'hang=1')
    using frame = filled(detector, 150)
    await expect(detector.detect(frame)).rejects.toThrow(refusal('ERR_ENGINE_LOST', /did not answer/))
    expect(() => detector.allocateFrame(GREY)).toThrow(refusal('ERR_ENGINE_LOST', /did not answer/))
    expect(frame.data[99]).toBe(150)
  })
})

describe.skipIf(!hasEmulated)('frames in pinned memory', () => {
  afterEach(() => {
    if (hasEmulated) emulation().setIntegrated(false)
  })

  it.each([
    ['of its own', false],
    ['that is the host’s', true],
  ])(
    'are answered as others by a GPU with memory %s, and given back whatever ends last',
    async (_, integrated) => {
      emulation().setIntegrated(integrated)
      const plain = await frameOf(PERSON, 'nv12', 160)
      const path = await engineThatKnows([plain], { side: 128, maxBatchSize: 4 })
      const layout = { format: plain.format, width: plain.width, height: plain.height }
      const { hostAllocations } = emulation().countLive()
      const detector = await loadEmulated(path)
      const [first, last] = [detector.allocateFrame(layout), detector.allocateFrame(layout)]
      for (const frame of [first, last]) frame.data.set(plain.data)
      const expected = await detector.detect(plain, OPTIONS)
      const calls = [first, first, last].map((frame) => detector.detect(frame, OPTIONS))
      first.dispose()
      for (const result of await Promise.all(calls)) expectSame(result, expected)
      await detector.dispose()
      expect(emulation().countLive().hostAllocations).toBe(hostAllocations + 1)
      last.dispose()
      expect(emulation().countLive().hostAllocations).toBe(hostAllocations)
    },
  )
})
