import { readFile, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

import { contentOf, EXPECTED, fixture, opened, temporaryFile } from '../../helpers/checkpoints.js'
import { refusal } from '../../helpers/refusal.js'
import { hasShared, shared } from '../../helpers/shared.js'

describe('tensors', () => {
  const files = Object.keys(EXPECTED).filter((name) => !name.endsWith('.safetensors'))

  it.each(files)('of %s are those that PyTorch wrote', async (name) => {
    const checkpoint = await opened(fixture(name))
    expect(checkpoint.format).toBe(name.includes('legacy') ? 'pytorch-legacy' : 'pytorch-zip')
    expect([...checkpoint.tensors.keys()]).toEqual(Object.keys(EXPECTED[name]))
    expect(await contentOf(checkpoint)).toEqual(EXPECTED[name])
  })

  it.each(['zip.pth', 'legacy.pth'])('of %s are read when asked for, not before', async (name) => {
    const bytes = await readFile(fixture(name))
    const path = await temporaryFile(bytes)
    const checkpoint = await opened(path)
    const weight = Float32Array.from(EXPECTED[name].weight.values)
    const at = bytes.indexOf(Buffer.from(weight.buffer))
    bytes.writeFloatLE(100, at)
    await writeFile(path, bytes)
    expect((await checkpoint.tensors.get('weight')?.read())?.[0]).toBe(100)
  })

  it('of element types beyond float32 are left out, and said to be', async () => {
    const { notes } = await opened(fixture('unsupported.pth'))
    expect(notes).toEqual(['Left out, as they cannot be read: phase (ComplexFloat), wide (uint16).'])
  })

  it('without values of their own in the file are named by their kind', async () => {
    const { tensors, unreadable } = await opened(fixture('unreadable.pth'))
    expect(tensors.has('good.weight')).toBe(true)
    expect(Object.fromEntries(unreadable)).toEqual({
      'meta.weight': 'on the meta device, without values',
      'meta.bias': 'on the meta device, without values',
      'quantized.weight': 'quantized',
      'by_channel.weight': 'quantized',
      'sparse.weight': 'sparse',
      'sparse_rows.weight': 'sparse',
    })
  })

  it('of two state dicts of which neither has a known name keep its name as a prefix', async () => {
    const { tensors, notes } = await opened(fixture('two.pth'))
    expect([...tensors.keys()]).toEqual(['first.weight', 'second.weight'])
    expect(notes).toEqual([])
  })

  it.each(['zip.pth', 'legacy.pth'])('of %s cannot be read after close()', async (name) => {
    const checkpoint = await opened(fixture(name))
    await checkpoint.close()
    await expect(checkpoint.tensors.get('weight')?.read()).rejects.toThrow(
      refusal('ERR_WEIGHTS', /was closed; its tensors must be read before close/),
    )
  })
})

describe.skipIf(!hasShared)('real checkpoints', () => {
  // Counts and sums of absolute values by PyTorch in float64.
  it.each([
    ['data/golden-d0/zylo-d0.pth', 784, 3927311, 355625.36349584],
    ['data/person-lite0/person-lite0.pth', 696, 3238649, 927544.0004569984],
  ])('are read as PyTorch reads them: %s', async (path, tensors, elements, sum) => {
    const checkpoint = await opened(shared(path))
    let count = 0
    let total = 0
    for (const tensor of checkpoint.tensors.values()) {
      const values = await tensor.read()
      count += values.length
      for (const value of values) total += Math.abs(value)
    }
    expect([checkpoint.tensors.size, count]).toEqual([tensors, elements])
    expect(total / sum).toBeCloseTo(1, 10)
    expect(checkpoint.notes).toEqual([])
  })
})

describe('training checkpoints', () => {
  it('give the averaged weights and tell what was ignored', async () => {
    const { notes, arch } = await opened(fixture('training.pth.tar'))
    expect(notes).toEqual([
      'The weights are those under "state_dict_ema" (averaged over training steps).',
      'Ignored: epoch (int), arch (str), version (int), args (argparse.Namespace), optimizer (dict), state_dict (collections.OrderedDict), metric (numpy._core.multiarray.scalar).',
    ])
    expect(arch).toBe('tf_efficientdet_d0')
  })

  it.each(['os-system.pth', 'os-system-legacy.pth', 'os-system-protocol4.pth'])(
    'that could act are refused: %s',
    async (name) => {
      await expect(opened(fixture(name))).rejects.toThrow(refusal('ERR_UNSAFE_PICKLE', /asks for os\.system/))
    },
  )
})

describe('other things that PyTorch writes', () => {
  const saveStateDict = "torch\\.save\\(model\\.state_dict\\(\\), 'weights\\.pth'\\)"

  it.each([
    ['module.pth', new RegExp(`class src\\.model\\.EfficientDet.*${saveStateDict}`)],
    ['module-legacy.pth', new RegExp(`class src\\.model\\.EfficientDet.*${saveStateDict}`)],
    [
      'dataparallel.pth',
      new RegExp(
        `class torch\\.nn\\.parallel\\.data_parallel\\.DataParallel around src\\.model\\.EfficientDet, .*${saveStateDict}`,
      ),
    ],
    ['tensor.pth', new RegExp(`a single tensor.*${saveStateDict}`)],
    ['no-tensors.pth', /a dictionary without tensors: epoch \(int\), names \(list\)/],
    ['torchscript.pt', /TorchScript/],
    ['big-endian.pth', /big-endian/],
    ['newer.pth', /version 11, but 10 is the newest/],
    ['compressed.pth', /"zip\/version" is compressed/],
    ['plain-pickle.pth', /a pickle, but not one that torch\.save wrote/],
    ['arrays.npz', /a zip archive, but not one that torch\.save wrote \(it holds "weight\.npy"\)/],
  ])('are named: %s', async (name, message) => {
    await expect(opened(fixture(name))).rejects.toThrow(refusal('ERR_WEIGHTS', message))
  })

  it('are named: legacy files of big-endian machines', async () => {
    const bytes = await readFile(fixture('legacy.pth'))
    // NEWTRUE after the text and its memo.
    const at = bytes.indexOf(0x88, bytes.indexOf('little_endian'))
    bytes[at] = 0x89
    await expect(opened(await temporaryFile(bytes))).rejects.toThrow(refusal('ERR_WEIGHTS', /big-endian/))
  })
})

describe('damage', () => {
  /** A copy of a fixture in which one text is replaced by another of the same length. */
  async function altered(name: string, from: Uint8Array | string, to: Uint8Array | string): Promise<string> {
    const bytes = await readFile(fixture(name))
    const at = bytes.indexOf(from)
    expect(at, 'the text to replace').toBeGreaterThan(0)
    bytes.set(Buffer.from(to), at)
    return temporaryFile(bytes)
  }

  it.each([
    ['zip.pth', /directory at the end cannot be read/],
    ['legacy.pth', /"\d+" of \d+ bytes reaches out of the file/],
  ])('is reported: a %s that was not copied completely', async (name, message) => {
    const bytes = await readFile(fixture(name))
    await expect(opened(await temporaryFile(bytes.subarray(0, -4)))).rejects.toThrow(
      refusal('ERR_WEIGHTS', message),
    )
  })

  // Pickled small integers: 'K' and one byte. The weight's shape is (2, 3, 1, 1) and its strides (3, 1, 1, 1).
  it.each([
    [
      'a shape larger than the storage',
      'K\x02K\x03K\x01K\x01t',
      'K\xffK\xffK\xffK\xfft',
      /shape \[255,255,255,255\] at 0 needs more than the 6/,
    ],
    [
      'a stride that leaves the storage',
      'K\x03K\x01K\x01K\x01t',
      'K\x09K\x01K\x01K\x01t',
      /needs more than the 6 elements/,
    ],
    [
      'a shape with a text',
      'K\x02K\x03K\x01K\x01t',
      'U\0K\x03K\x01K\x01t',
      /"weight" is described in an unknown way/,
    ],
    [
      'another storage than is there',
      'X\x01\0\0\x000',
      'X\x01\0\0\x009',
      /storage "9", which the file does not have/,
    ],
    ['another storage type', 'FloatStorage', 'ByteStorageX', /tensor|element types|without tensors/],
    ['a storage of another length', 'cpuq\x07K\x06t', 'cpuq\x07K\x07t', /of 28 bytes, but the file has 24/],
  ])('is reported: a tensor with %s', async (_, from, to, message) => {
    const path = await altered('zip.pth', Buffer.from(from, 'latin1'), Buffer.from(to, 'latin1'))
    await expect(opened(path).then(contentOf)).rejects.toThrow(refusal('ERR_WEIGHTS', message))
  })

  it('is reported: a few bytes that claim a huge tensor by repeating one element', async () => {
    // The expanded tensor has stride 0 and shape (5,); 2³¹−1 fits where the 5 and the next opcodes are not.
    const bytes = await readFile(fixture('views-legacy.pth'))
    const shape = Buffer.from('K\x05\x85', 'latin1')
    const at = bytes.indexOf(shape)
    expect(at).toBeGreaterThan(0)
    const claimed = Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from('J\xff\xff\xff\x7f\x85', 'latin1'),
      bytes.subarray(at + shape.length),
    ])
    await expect(opened(await temporaryFile(claimed))).rejects.toThrow(
      refusal('ERR_WEIGHTS', /"expanded" of shape \[2147483647\] at 0 needs more than the 1 elements/),
    )
  })
})
