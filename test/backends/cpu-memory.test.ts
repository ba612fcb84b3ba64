import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, type VariantName, variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { confined, notConfined, type Outcome } from '../helpers/confined.js'

/** A safetensors file of one byte for each weight. */
async function bytesFor(name: VariantName, classes: number): Promise<string> {
  const one = variant(name)
  let end = 0
  const entries = [...inventory(officialArchitecture(one, classes), nativeInput(one)).tensors].map(
    ([tensor, shape]) => {
      const begin = end
      end += 2 * shape.reduce((product, n) => product * n, 1)
      return [tensor, { dtype: 'F16', shape, data_offsets: [begin, end] }]
    },
  )
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  const path = join(await temporaryFolder(), `${name}.safetensors`)
  await writeFile(path, Buffer.concat([length, header, Buffer.alloc(end, 1)]))
  return path
}

/** Loads a model on the CPU, in a process with some gigabytes of address space. */
function load(model: string, options: object): Promise<Outcome> {
  const body =
    "await EfficientDet.load(argument.model, { backend: 'cpu', ...argument.options }); return 'loaded'"
  return confined({ EfficientDet: 'index.js' }, body, { model, options })
}

describe.skipIf(notConfined !== null)('memory of the CPU backend', () => {
  it('is reckoned before a head of 20,000 classes in a small file takes gigabytes', async () => {
    const { outcome, message, grownBytes } = await load(await bytesFor('lite0', 20_000), {})
    expect([outcome, message]).toEqual([
      'ERR_OUT_OF_MEMORY',
      expect.stringMatching(/^On the CPU it needs about \d+ MB of memory, and \d+ MB are free\./),
    ])
    expect(grownBytes).toBeLessThan(600e6)
  })

  it('is reckoned before a large input takes gigabytes', async () => {
    const { outcome, grownBytes } = await load('person', { inputSize: 8192 })
    expect(outcome).toBe('ERR_OUT_OF_MEMORY')
    expect(grownBytes).toBeLessThan(600e6)
  })

  it('is not asked for by class scores beyond all limits', async () => {
    const { outcome, message } = await load(await bytesFor('lite0', 65_000), { inputSize: 4096 })
    expect([outcome, message]).toEqual([
      'ERR_INVALID_OPTION',
      expect.stringMatching(/class scores \(at 4096×4096\), and at most 2147483647 are possible/),
    ])
  })

  it('is not asked for by more classes than there may be', async () => {
    const { outcome, message } = await load(await bytesFor('lite0', 70_000), {})
    expect([outcome, message]).toEqual(['ERR_WEIGHTS', expect.stringMatching(/70000 classes/)])
  })

  it('is enough for an ordinary model', async () => {
    expect((await load('person', {})).outcome).toBe('loaded')
  })
})
