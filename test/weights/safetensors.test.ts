import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { type WritableTensor, writeSafetensors } from '#lib/weights/safetensors/writer.js'
import {
  contentOf,
  EXPECTED,
  fixture,
  opened,
  temporaryFile,
  temporaryFolder,
} from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'

/** A safetensors file made by hand. */
function assembled(header: unknown, data: number, length?: bigint): Promise<string> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header), 'latin1')
  const bytes = Buffer.alloc(8 + json.length + data)
  bytes.writeBigUInt64LE(length ?? BigInt(json.length))
  json.copy(bytes, 8)
  return temporaryFile(bytes, 'model.safetensors')
}

const tensor = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})

describe('reading', () => {
  it.each(['types.safetensors', 'plain.safetensors'])('gives what PyTorch wrote into %s', async (name) => {
    const checkpoint = await opened(fixture(name))
    expect(checkpoint.format).toBe('safetensors')
    expect(await contentOf(checkpoint)).toEqual(EXPECTED[name])
  })

  it('gives the metadata', async () => {
    expect((await opened(fixture('plain.safetensors'))).metadata).toEqual({ model: 'd0' })
    expect((await opened(await assembled({ a: tensor(0, 4) }, 4))).metadata).toEqual({})
  })

  it('goes by the content, not by the name of the file', async () => {
    const path = await temporaryFile(await readFile(fixture('plain.safetensors')), 'weights.pth')
    expect((await opened(path)).format).toBe('safetensors')
  })

  it('leaves out tensors of element types beyond float32, and says so', async () => {
    const checkpoint = await opened(await assembled({ a: tensor(0, 4), b: tensor(4, 8, [4], 'F8_E4M3') }, 8))
    expect([...checkpoint.tensors.keys()]).toEqual(['a'])
    expect(checkpoint.notes).toEqual(['Left out, as they cannot be read: b (F8_E4M3).'])
  })

  it('is not confused by names that objects have themselves', async () => {
    const path = await assembled('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4)
    expect(await contentOf(await opened(path))).toHaveProperty(['__proto__'])
    const odd = await assembled({ a: tensor(0, 4), b: tensor(4, 8, [1], 'toString') }, 8)
    expect((await opened(odd)).notes).toEqual([expect.stringContaining('b (toString)')])
  })

  it('cannot be done after close()', async () => {
    const checkpoint = await opened(fixture('plain.safetensors'))
    await checkpoint.close()
    await expect(checkpoint.tensors.get('b.weight')?.read()).rejects.toThrow(
      refusal('ERR_WEIGHTS', /was closed/),
    )
  })
})

describe('damage', () => {
  it.each([
    ['a hole', { a: tensor(0, 4), b: tensor(8, 12) }, 12, /"b" lies at bytes 8 to 12 of 12, .* begin at 4/],
    ['an overlap', { a: tensor(0, 8), b: tensor(4, 12) }, 12, /"b" lies at bytes 4 to 12/],
    ['a tensor past the end', { a: tensor(0, 8) }, 4, /"a" lies at bytes 0 to 8 of 4/],
    ['a tensor that ends before it begins', { a: tensor(4, 0, [1]) }, 4, /"a" lies at bytes 4 to 0/],
    ['bytes that belong to no tensor', { a: tensor(0, 4) }, 9, /5 bytes after the last tensor/],
    ['a shape of another length', { a: tensor(0, 8, [3]) }, 8, /F32 and shape \[3\] cannot have 8 bytes/],
    ['a negative dimension', { a: tensor(0, 4, [-1]) }, 4, /cannot have 4 bytes/],
    ['a fractional dimension', { a: tensor(0, 4, [0.5, 2]) }, 4, /cannot have 4 bytes/],
    ['dimensions that overflow', { a: tensor(0, 4, [2 ** 52, 2 ** 52]) }, 4, /cannot have 4 bytes/],
    ['no shape', { a: { dtype: 'F32', data_offsets: [0, 4] } }, 4, /describes the tensor "a"/],
    ['one offset', { a: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4, /describes the tensor "a"/],
    ['offsets of texts', { a: { dtype: 'F32', shape: [1], data_offsets: ['0', 4] } }, 4, /tensor "a"/],
    ['a tensor that is a number', { a: 3 }, 0, /describes the tensor "a"/],
    ['metadata that are no texts', { __metadata__: { model: 1 }, a: tensor(0, 4) }, 4, /__metadata__/],
    ['no tensors', {}, 0, /holds no tensors/],
    ['no JSON', '{"a":}', 0, /no JSON/],
    ['text in another encoding', '{"\xff":1}', 0, /no JSON/],
    [
      'one name twice',
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /twice/,
    ],
    ['one property twice', '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', 4, /twice/],
    ['a header that nests deeply', `{"a":${'['.repeat(1e6)}`, 0, /unknown form/],
  ])('is reported: %s', async (_, header, data, message) => {
    await expect(assembled(header, data).then(opened)).rejects.toThrow(refusal('ERR_WEIGHTS', message))
  })

  it.each([
    ['longer than the file', 1000n],
    ['longer than a header may be', 2n ** 40n],
    ['of 2⁶⁴ − 1 bytes', 2n ** 64n - 1n],
  ])('is reported: a header %s', async (_, length) => {
    await expect(assembled({ a: tensor(0, 4) }, 4, length).then(opened)).rejects.toThrow(
      refusal('ERR_WEIGHTS', /claims a safetensors header of \d+ bytes/),
    )
  })

  it('names the file', async () => {
    const path = await assembled({}, 0)
    await expect(opened(path)).rejects.toThrow(`${path}: holds no tensors.`)
  })
})

describe('writing', () => {
  const special = Float32Array.of(0, -0, 1 / 3, -1e38, 1e-45, Number.POSITIVE_INFINITY, Number.NaN)
  const tensors: readonly WritableTensor[] = [
    { name: 'b.weight', dtype: 'float32', shape: [7], data: special },
    { name: '10', dtype: 'float16', shape: [2, 2], data: Float32Array.of(1.5, -2, 65504, 1 / 3) },
    { name: '2', dtype: 'float32', shape: [], data: Float32Array.of(2.25) },
    { name: 'a.empty', dtype: 'float16', shape: [0, 3], data: new Float32Array(0) },
    { name: 'grün "x"', dtype: 'float16', shape: [1], data: Float32Array.of(1) },
  ]

  async function written(list: readonly WritableTensor[], metadata?: Record<string, string>) {
    const path = join(await temporaryFolder(), 'model.safetensors')
    await writeSafetensors(path, list, metadata)
    return path
  }

  it('gives back float32 bit by bit and float16 rounded to nearest', async () => {
    const metadata = { model: 'd0', labels: '["grün"]' }
    const checkpoint = await opened(await written(tensors, metadata))
    expect(checkpoint.metadata).toEqual(metadata)
    const content = await contentOf(checkpoint)
    expect(Object.keys(content).sort()).toEqual(tensors.map(({ name }) => name).sort())
    expect(content['b.weight']).toEqual({ dtype: 'float32', shape: [7], values: [...special] })
    expect(content['10']).toEqual({
      dtype: 'float16',
      shape: [2, 2],
      // 1/3 in binary16 is 0x3555.
      values: [1.5, -2, 65504, 0x555 / 4096],
    })
    expect(content['2']).toEqual({ dtype: 'float32', shape: [], values: [2.25] })
    expect(content['a.empty']).toEqual({ dtype: 'float16', shape: [0, 3], values: [] })
  })

  it('aligns every tensor to its element size', async () => {
    const bytes = await readFile(await written(tensors))
    const length = Number(bytes.readBigUInt64LE())
    const header: Record<string, { dtype: string; data_offsets: [number, number] }> = JSON.parse(
      bytes.toString('utf8', 8, 8 + length),
    )
    expect(length % 8).toBe(0)
    for (const { dtype, data_offsets } of Object.values(header)) {
      expect(data_offsets[0] % (dtype === 'F32' ? 4 : 2)).toBe(0)
    }
  })

  it('gives the same bytes as the reference implementation', async () => {
    const reference = EXPECTED['plain.safetensors']
    const list = Object.entries(reference).map(([name, { dtype, shape, values }]) => ({
      name,
      dtype: dtype === 'float16' ? ('float16' as const) : ('float32' as const),
      shape,
      data: Float32Array.from(values),
    }))
    const bytes = await readFile(await written(list, { model: 'd0' }))
    expect(bytes).toEqual(await readFile(fixture('plain.safetensors')))
  })

  it('does not depend on the order of tensors and metadata', async () => {
    const one = await readFile(await written(tensors, { a: '1', b: '2' }))
    const other = await readFile(await written([...tensors].reverse(), { b: '2', a: '1' }))
    expect(other).toEqual(one)
  })

  it('refuses one name twice and data that do not fill their shape', async () => {
    const [first] = tensors
    await expect(written([first, first])).rejects.toThrow(
      refusal('ERR_WEIGHTS', /two tensors named "b\.weight"/),
    )
    await expect(written([{ ...first, shape: [8] }])).rejects.toThrow(
      refusal('ERR_WEIGHTS', /"b\.weight" has 7 values for the shape \[8\]/),
    )
    await expect(written([{ ...first, name: '__metadata__' }])).rejects.toThrow(
      refusal('ERR_WEIGHTS', /__metadata__/),
    )
  })

  it('replaces a file as a whole and leaves nothing beside it', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'model.safetensors')
    await writeFile(path, 'old')
    await writeSafetensors(path, tensors)
    expect((await opened(path)).tensors.size).toBe(5)
    expect(await readdir(folder)).toEqual(['model.safetensors'])
  })

  it('says where it cannot write', async () => {
    const path = join(await temporaryFolder(), 'absent', 'model.safetensors')
    await expect(writeSafetensors(path, tensors)).rejects.toThrow(
      refusal('ERR_OUTPUT', /absent\/model\.safetensors cannot be written \(ENOENT/),
    )
  })
})
