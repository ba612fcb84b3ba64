import { describe, expect, it } from 'vitest'
import { inspectModelFile } from '#lib/weights/model-file.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { confined, notConfined, type Outcome } from '../helpers/confined.js'
import { refusal } from '../helpers/refusal.js'

/** What is quadratic takes far longer. */
const MAX_MILLISECONDS = 10_000
const MAX_GROWTH = 700 * 2 ** 20

/** The pickles that begin a file of PyTorch's before 1.6. */
const LEGACY = '\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.'

/** Opens a weights file in a process of its own. */
async function opened(bytes: Uint8Array): Promise<Outcome> {
  const path = await temporaryFile(bytes)
  const body = 'const checkpoint = await openCheckpoint(argument); return checkpoint.tensors.size'
  return confined({ openCheckpoint: 'weights/checkpoint.js' }, body, path)
}

/** A legacy file around a pickle that is written as Latin-1. */
function legacy(...parts: string[]): Uint8Array {
  return Buffer.from(LEGACY + parts.join(''), 'latin1')
}

/** A safetensors file of a header alone. */
function safetensors(header: string): Uint8Array {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)))
  return Buffer.concat([length, Buffer.from(header)])
}

function short(text: string): string {
  return `U${String.fromCharCode(text.length)}${text}`
}

/** Two thousand tensors of a type that cannot be read, which share a shape of a million axes. */
function sharedShape(): Uint8Array {
  const shape = `(${'K\x01'.repeat(1_000_000)}t\x94`
  const storage = `(${short('storage')}ctorch\nComplexFloatStorage\n${short('0')}${short('cpu')}K\x01tQ\x94`
  const call = `ctorch._utils\n_rebuild_tensor_v2\n\x94(h\x01K\x00h\x00h\x00t\x94`
  const tensors = Array.from({ length: 2000 }, (_, i) => `${short(`t${i}`)}h\x02h\x03R`)
  return legacy(
    `${shape}0${storage}0${call}00`,
    `}(${tensors.join('')}u.]${short('0')}a.`,
    '\x01'.padEnd(16, '\0'),
  )
}

describe.skipIf(notConfined !== null)('pickles within their budget', () => {
  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'a number of 80,000 digits and a letter',
      () => legacy(`F${'1'.repeat(80_000)}x\n.`),
      /malformed number/,
    ],
    ['a number of a million digits', () => legacy(`F${'1'.repeat(1_000_000)}\n.`), /malformed number/],
    ['140 million marks', () => Buffer.concat([legacy(), Buffer.alloc(140_000_000, '(')]), /10000 marks/],
    [
      'marks that are set and dropped',
      () => legacy('(1'.repeat(5_000_000)),
      /more than 4194304 instructions/,
    ],
    [
      'frames, which make nothing',
      () => legacy('\x95\0\0\0\0\0\0\0\0'.repeat(7_000_000)),
      /4194304 instructions/,
    ],
    [
      'a memo of one value in millions of places',
      () => legacy('N', Array.from({ length: 3_000_000 }, (_, i) => memoPut(i)).join('')),
      /more than 2097152 values/,
    ],
    ['millions of lists', () => legacy(']'.repeat(20_000_000)), /more than 2097152 values/],
    ['160,000 short lines', () => legacy('N', 'p0\n'.repeat(160_000), '0'), /fewer are left/],
    ['millions of short lines', () => legacy('N', 'p0\n'.repeat(3_000_000), '.'), /more than 2097152 values/],
    ['lines of 60 KB', () => legacy(`V${'a'.repeat(60_000)}\n0`.repeat(1000)), /fewer are left/],
    ['a line of 60 MB', () => legacy(`V${'a'.repeat(60_000_000)}\n.`), /a line|one of over/],
    [
      'names of classes of 250 parts',
      () => legacy(`c${'a.'.repeat(200)}b\n${'a.'.repeat(200)}b\n0`.repeat(20_000)),
      /over 32 parts/,
    ],
    [
      'names of classes of 30 parts',
      () => legacy(`ca\n${'a.'.repeat(29)}b\n0`.repeat(100_000)),
      /more than 10000 classes/,
    ],
    [
      'text of 100 MB',
      () => legacy('X\0\xe1\xf5\x05', 'a'.repeat(100_000_000), '.'),
      /byte string of 100000000/,
    ],
    ['a shape that thousands of tensors share', sharedShape, /is described in an unknown way/],
  ])('are told of %s in bounded time and memory', async (_, bytes, message) => {
    const { outcome, message: found, grownBytes, cpuMilliseconds } = await opened(bytes())
    expect([outcome, found]).toEqual(['ERR_WEIGHTS', expect.stringMatching(message)])
    expect(cpuMilliseconds).toBeLessThan(MAX_MILLISECONDS)
    expect(grownBytes).toBeLessThan(MAX_GROWTH)
  })

  it('are refused for storages that are called as what every object has', async () => {
    const storage = `(${short('storage')}ctorch\nconstructorStorage\n${short('0')}${short('cpu')}K\x01tQ`
    const tensor = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00(K\x01t(K\x01tt\x52`
    const { outcome, message } = await opened(
      legacy(`}${short('a')}${tensor}s.`, `]${short('0')}a.`, '\0'.repeat(16)),
    )
    expect([outcome, message]).toEqual([
      'ERR_WEIGHTS',
      expect.stringMatching(/a storage that cannot be understood/),
    ])
  })
})

function memoPut(index: number): string {
  const bytes = Buffer.alloc(5, 'r')
  bytes.writeUInt32LE(index, 1)
  return bytes.toString('latin1')
}

describe.skipIf(notConfined !== null)('safetensors within their budget', () => {
  const tensor = (i: number) => `"t${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`
  it.each<[string, () => string, RegExp]>([
    ['a header of 60 MB', () => `{"a":"${'a'.repeat(60_000_000)}"}`, /headers at most 16777216/],
    ['five million numbers', () => `{"a":[${'0,'.repeat(5_000_000)}0]}`, /of more than 50000 tensors/],
    ['five million lists', () => `{"a":[${'[],'.repeat(5_000_000)}0]}`, /of more than 50000 tensors/],
    ['a million brackets', () => `{"a":${'['.repeat(1_000_000)}`, /of unknown form/],
    [
      '100,000 tensors',
      () => `{${Array.from({ length: 100_000 }, (_, i) => tensor(i)).join()}}`,
      /more than 50000 tensors/,
    ],
    [
      'a shape of 900,000 axes',
      () => `{"a":{"dtype":"U8","shape":[${'0,'.repeat(900_000)}0],"data_offsets":[0,0]}}`,
      /describes the tensor "a" in an unknown way/,
    ],
    ['a name of 10 MB', () => `{"${'n'.repeat(10_000_000)}":{}}`, /describes the tensor "n+…n+…"/],
  ])('are told of %s in bounded time and memory', async (_, header, message) => {
    const { outcome, message: found, grownBytes, cpuMilliseconds } = await opened(safetensors(header()))
    expect([outcome, found]).toEqual(['ERR_WEIGHTS', expect.stringMatching(message)])
    expect(found.length).toBeLessThan(1000)
    expect(cpuMilliseconds).toBeLessThan(MAX_MILLISECONDS)
    expect(grownBytes).toBeLessThan(MAX_GROWTH)
  })

  it('leave out a type that is called as what every object has', async () => {
    const header = '{"a":{"dtype":"constructor","shape":[1],"data_offsets":[0,0]}}'
    expect((await opened(safetensors(header))).outcome).toBe('0')
  })
})

describe.skipIf(notConfined !== null)('labels within their budget', () => {
  const read = async (bytes: string) =>
    confined(
      { readLabels: 'weights/label-file.js' },
      'return (await readLabels(argument)).length',
      await temporaryFile(bytes, 'labels.txt'),
    )

  it.each<[string, string, RegExp]>([
    ['more classes than there may be', 'a\n'.repeat(70_000), /more than 65536 names/],
    ['numbered classes beyond', `0: a\n70000: b\n`, /lacks/],
    ['a label map beyond', 'item { id: 70000 name: "a" }', /to 65536 at most/],
    ['an id of a million letters', `item { id: ${'a'.repeat(1_000_000)} name: "a" }`, /the id a+…a+…/],
    ['a label of 501 letters', `${'a'.repeat(501)}\nb\n`, /some of more than 500 letters/],
    ['a quoted label of a million letters', `item { id: 1 name: "${'a'.repeat(1_000_000)}" }`, /500 letters/],
    ['lines of a thousand tabs', `a${'\t'.repeat(990)}b\n`.repeat(1000), /has 991 columns/],
  ])('are told of %s in bounded time and memory', async (_, content, message) => {
    const { outcome, message: found, cpuMilliseconds, grownBytes } = await read(content)
    expect([outcome, found]).toEqual(['ERR_LABELS', expect.stringMatching(message)])
    expect(found.length).toBeLessThan(2000)
    expect(cpuMilliseconds).toBeLessThan(MAX_MILLISECONDS / 4)
    expect(grownBytes).toBeLessThan(MAX_GROWTH)
  })

  it.each([
    ['four billion that are not there', 'new Array(2 ** 32 - 1)'],
    ['70,000', 'new Array(70_000).fill("a")'],
    ['one of a million letters', '["a".repeat(1e6)]'],
    ['millions of letters together', 'new Array(5000).fill("a".repeat(400))'],
  ])('are refused as an option where they are %s', async (_, labels) => {
    const body = `checkWeightsOptions({ labels: ${labels} })`
    const { outcome, cpuMilliseconds } = await confined({ checkWeightsOptions: 'options/weights.js' }, body)
    expect(outcome).toBe('ERR_LABELS')
    expect(cpuMilliseconds).toBeLessThan(MAX_MILLISECONDS / 4)
  })
})

it('a stem behind more parts of a name than are looked at is no network, and no untyped error', async () => {
  const name = `${'a.'.repeat(100)}backbone.conv_stem.weight`
  const path = await temporaryFile(safetensors(`{"${name}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`))
  await expect(inspectModelFile(path)).rejects.toThrow(
    refusal('ERR_WEIGHTS', /None of the 1 tensors is the stem/),
  )
})
