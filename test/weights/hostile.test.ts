import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import { openCheckpoint } from '#lib/weights/checkpoint.js'
import { unpickle } from '#lib/weights/pytorch/pickle.js'
import { fixture, temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { cpuTime } from '../helpers/cpu-time.js'
import { accidents, damaged } from '../helpers/damage.js'
import fc from '../helpers/fast-check.js'
import { memoryReader, pickle } from '../helpers/pickles.js'

const CODES = new Set(['ERR_WEIGHTS', 'ERR_WEIGHTS_AMBIGUOUS', 'ERR_UNSAFE_PICKLE'])

/** A quadratic loop takes far longer. */
const MAX_MILLISECONDS = 5000
const MAX_GROWTH = 300 * 2 ** 20

/** Opens a file and reads all of its tensors: how many values, or the code of the error. */
async function outcome(path: string): Promise<number | string> {
  try {
    const checkpoint = await openCheckpoint(path)
    try {
      let values = 0
      for (const { shape, read } of checkpoint.tensors.values()) {
        const data = await read()
        if (data.length !== shape.reduce((product, n) => product * n, 1)) throw new Error('wrong length')
        values += data.length
      }
      return values
    } finally {
      await checkpoint.close()
    }
  } catch (error) {
    if (error instanceof EfficientDetError) return error.code
    throw error
  }
}

describe('damaged files', () => {
  it.each(['views.pth', 'views-legacy.pth', 'types.safetensors'])(
    'are read or refused in bounded time and memory: %s with any accidents',
    async (name) => {
      const original = await readFile(fixture(name))
      const path = join(await temporaryFolder(), name)
      const start = process.memoryUsage().rss
      const counts = { read: 0, refused: 0 }
      await fc.assert(
        fc.asyncProperty(accidents, async (happened) => {
          await writeFile(path, damaged(original, happened))
          const begin = cpuTime()
          const result = await outcome(path)
          counts[typeof result === 'string' ? 'refused' : 'read']++
          // Matchers would take longer than the rest.
          if (typeof result === 'string' && !CODES.has(result)) throw new Error(result)
          if (cpuTime() - begin > MAX_MILLISECONDS) throw new Error('This takes too long.')
        }),
      )
      // The test would say nothing if all were alike.
      expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(0)
      expect(process.memoryUsage().rss - start).toBeLessThan(MAX_GROWTH)
    },
  )

  it.each(['zip.pth', 'legacy.pth', 'plain.safetensors'])(
    '%s cut at every third place is refused',
    async (name) => {
      const original = await readFile(fixture(name))
      const path = join(await temporaryFolder(), name)
      for (let length = 1; length < original.length; length += 3) {
        await writeFile(path, original.subarray(0, length))
        expect(await outcome(path), `${length} bytes`).toBe('ERR_WEIGHTS')
      }
    },
  )
})

/** A zip archive as torch.save makes it, around any pickle. */
function archive(data: Uint8Array): Uint8Array {
  const name = Buffer.from('archive/data.pkl')
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(10, 0) // version
  fields.writeUInt32LE(crc32(data), 10)
  fields.writeUInt32LE(data.length, 14)
  fields.writeUInt32LE(data.length, 18)
  fields.writeUInt16LE(name.length, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, name, data])
  const central = Buffer.concat([
    Buffer.from('PK\x01\x02\x0a\0', 'latin1'),
    fields,
    Buffer.alloc(14), // comment, disk, attributes, offset 0
    name,
  ])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, central, end])
}

describe('pickles that could act', () => {
  it.each([
    ['os.system', pickle('cos\nsystem\n(S"id"\ntR.')],
    ['os.system', pickle('cposix\nsystem\n(S"id"\ntR.')],
    ['os.system', pickle('cnt\nsystem\n(S"id"\ntR.')],
    ['builtins.eval', pickle('cbuiltins\neval\n(S"1"\ntR.')],
    ['builtins.exec', pickle('c__builtin__\nexec\n(S"1"\ntR.')],
    ['subprocess.Popen', pickle('csubprocess\nPopen\n(S"id"\ntR.')],
    ['subprocess.check_output', pickle('\x80\x04', '\x8c\x0asubprocess\x8c\x0ccheck_output\x93)R.')],
    ['builtins.__import__', pickle('(S"os"\ni__builtin__\n__import__\n.')],
    ['runpy._run_code', pickle('crunpy\n_run_code\n)R.')],
    ['torch.hub.load', pickle('ctorch\nhub.load\n)R.')],
  ])('are refused, naming %s', async (name, bytes) => {
    for (const container of [archive(bytes), Buffer.concat([magic(), bytes])]) {
      await expect(openCheckpoint(await temporaryFile(container))).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_UNSAFE_PICKLE',
          message: expect.stringContaining(`asks for ${name},`),
        }),
      )
    }
  })

  it('are refused wherever the call hides', async () => {
    const hidden = pickle('}U', 5, 'epoch', 'cmine\nBox\n)\x81}U', 1, 'f', 'cos\nsystem\nsbs.')
    await expect(openCheckpoint(await temporaryFile(archive(hidden)))).rejects.toThrow(/asks for os\.system,/)
  })
})

/** The pickles that begin a file of PyTorch's before 1.6. */
function magic(): Uint8Array {
  return pickle('\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.', '\x80\x02M\xe9\x03.', '\x80\x02}.')
}

describe('pickles that ask for too much', () => {
  const read = (bytes: Uint8Array) => unpickle(memoryReader(bytes), { name: 'test.pth' })

  it.each([
    ['a doubling of lists by the memo', pickle(']', ...Array<string>(64).fill('\x940h\0h\0\x86'), '.')],
    ['a million levels of tuples', pickle(')', '\x85'.repeat(1e6), '.')],
    ['a million marks', pickle('('.repeat(1e6), '.')],
    ['a million copies of one value', pickle('(N', '2'.repeat(1e6), 't.')],
    ['a memo with a huge index', pickle('Nr\xff\xff\xff\xff.')],
    ['text of 4 GiB', pickle('X\xff\xff\xff\xffabc.')],
    ['bytes of 2⁶⁴ − 1', pickle('\x8e', '\xff'.repeat(8), 'abc.')],
    ['a byte array of 2⁵³', pickle('\x96\0\0\0\0\0\0\x20\0abc.')],
    ['a frame of 2⁶³', pickle('\x95\0\0\0\0\0\0\0\x80N.')],
    ['an integer of 2 GiB', pickle('\x8b\xff\xff\xff\x7f.')],
    ['an integer of 100,000 digits', pickle(`I${'9'.repeat(1e5)}\n.`)],
    ['a line without end', pickle('c', 'a'.repeat(5e6))],
  ])('are bounded: %s', (_, bytes) => {
    const start = process.memoryUsage().rss
    const begin = cpuTime()
    try {
      read(bytes)
    } catch (error) {
      expect(error).toMatchObject({ name: 'EfficientDetError', code: 'ERR_WEIGHTS' })
    }
    expect(cpuTime() - begin).toBeLessThan(MAX_MILLISECONDS)
    expect(process.memoryUsage().rss - start).toBeLessThan(MAX_GROWTH)
  })

  it('do not get through when their values contain themselves', async () => {
    // A dictionary whose every known name leads to itself.
    const names = ['state_dict', 'model', 'ema'].flatMap((name) => ['U', name.length, name, 'h', 0, 's'])
    const bytes = pickle('}q', 0, ...names, '.')
    await expect(openCheckpoint(await temporaryFile(archive(bytes)))).rejects.toThrow(/without tensors/)
  })
})

describe('archives that claim too much are refused', () => {
  it('a pickle that is longer than the file', async () => {
    const bytes = Buffer.from(archive(pickle('}.')))
    const central = bytes.indexOf('PK\x01\x02')
    for (const field of [20, 24]) bytes.writeUInt32LE(0x7fffffff, central + field)
    expect(await outcome(await temporaryFile(bytes))).toBe('ERR_WEIGHTS')
  })

  it('a directory beyond 2⁵³', async () => {
    const bytes = Buffer.from(archive(pickle('}.')))
    const end = bytes.indexOf('PK\x05\x06')
    const locator = Buffer.alloc(20)
    locator.write('PK\x06\x07', 'latin1')
    for (const offset of [2n ** 53n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      locator.writeBigUInt64LE(offset, 8)
      const path = await temporaryFile(Buffer.concat([bytes.subarray(0, end), locator, bytes.subarray(end)]))
      await expect(openCheckpoint(path)).rejects.toThrow(/bytes \d+ to \d+ are needed, but the file has \d+/)
    }
  })

  it('more entries than there are', async () => {
    const bytes = Buffer.from(archive(pickle('}.')))
    const end = bytes.indexOf('PK\x05\x06')
    for (const field of [8, 10]) bytes.writeUInt16LE(0xfffe, end + field)
    expect(await outcome(await temporaryFile(bytes))).toBe('ERR_WEIGHTS')
  })

  it('a compressed pickle that would unfold to gigabytes', async () => {
    const bytes = Buffer.from(archive(pickle('}.')))
    const central = bytes.indexOf('PK\x01\x02')
    bytes.writeUInt16LE(8, central + 10)
    bytes.writeUInt32LE(0xfffffff0, central + 24)
    expect(await outcome(await temporaryFile(bytes))).toBe('ERR_WEIGHTS')
  })
})
