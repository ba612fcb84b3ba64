import { describe, expect, it } from 'vitest'
import { freeMemory, freeMemoryOf } from '#lib/engines/free-memory.js'
import { checkMemory, estimateMemory, fittingContexts, type MemoryRequest } from '#lib/engines/memory.js'
import { profileBatchSizesUpTo } from '#lib/engines/profile-batch-sizes.js'
import { buildGraph } from '#lib/graph/build.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, VARIANTS, variant } from '#lib/models/variants.js'
import { footprint } from '#lib/network/footprint.js'
import { inventory } from '#lib/network/parameters.js'
import { HEADER } from '../helpers/engines.js'
import { refusal } from '../helpers/refusal.js'
import { rounds } from '../helpers/rounds.js'

const MEMINFO = 'MemTotal:  8000000 kB\nMemAvailable:    1000000 kB\nSwapFree:         500000 kB\n'
const FACTS = {
  meminfo: MEMINFO,
  limits: '',
  status: 'VmSize:\t  200000 kB\n',
  groups: { memory: Number.POSITIVE_INFINITY, swap: Number.POSITIVE_INFINITY },
}
const limits = (bytes: number | string) =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax address space         ${bytes}            unlimited            bytes\n`

describe('free memory', () => {
  it('is what the kernel calls available, and swap beside it', () => {
    expect(freeMemoryOf(FACTS)).toEqual({ memory: 1_024_000_000, swap: 512_000_000 })
    expect(freeMemoryOf({ ...FACTS, limits: limits('unlimited') })).toEqual(freeMemoryOf(FACTS))
  })

  it('ends at the limits of the container and of the address space', () => {
    expect(freeMemoryOf({ ...FACTS, groups: { memory: 300e6, swap: 0 } })).toEqual({ memory: 300e6, swap: 0 })
    // ulimit -v counts what is mapped already, and swapped pages too.
    expect(freeMemoryOf({ ...FACTS, limits: limits(704_800_000) })).toEqual({ memory: 500_000_000, swap: 0 })
  })

  it('is told of this machine', async () => {
    const { memory, swap } = await freeMemory()
    expect(memory).toBeGreaterThan(1e6)
    expect(swap).toBeGreaterThanOrEqual(0)
  })
})

describe('the footprint of a network', () => {
  it.each((['d0', 'lite0', 'd7x'] as const).slice(0, rounds({ quick: 2, all: 3 })))(
    'counts the weights that the graph of %s holds',
    (name) => {
      const architecture = officialArchitecture(variant(name))
      const inputSize = nativeInput(variant(name))
      const { tensors } = inventory(architecture, inputSize)
      const weights = new Map(
        [...tensors].map(([tensor, shape]) => [
          tensor,
          new Float32Array(shape.reduce((product, n) => product * n, 1)).fill(1),
        ]),
      )
      const onnx = buildGraph(architecture, weights, {
        inputSize,
        batch: 1,
        precision: 'fp16',
        input: 'fp32',
      })
      // Beside them the file has names, shapes, and the heads' biases once for each level.
      const bytes = 2 * footprint(architecture, inputSize).weights
      expect(bytes).toBeLessThan(onnx.length)
      expect(bytes).toBeGreaterThan(0.9 * onnx.length - 500_000)
    },
  )

  it('of D0 is as a calculation by hand says', () => {
    // The first expansion, 96×256×256, and what it reads, 16×256×256; its depthwise convolution gives 96×128×128.
    const { largestLayer, outputs } = footprint(officialArchitecture(variant('d0')), {
      height: 512,
      width: 512,
    })
    expect(largestLayer).toBe(Math.max((16 + 96) * 256 ** 2, 96 * 256 ** 2 + 96 * 128 ** 2))
    expect(outputs).toBe(49_104 * (90 + 4))
  })
})

describe('the memory of a build', () => {
  const d0 = officialArchitecture(variant('d0'))
  const inputSize = { height: 512, width: 512 }

  it('grows with weights, batch and workspace, and shrinks with half precision', () => {
    const of = (settings: object, onDevice = true) => {
      const { host, device } = estimateMemory(d0, inputSize, { ...HEADER.settings, ...settings }, onDevice)
      return host + device
    }
    expect(of({ precision: 'fp32' })).toBeGreaterThan(of({}))
    expect(of({ maxBatchSize: 1 })).toBeLessThan(of({}))
    expect(of({ workspaceBytes: 1e9 })).toBeGreaterThan(of({}))
    expect(of({ optimisationLevel: 0 })).toBeLessThan(of({}))
    expect(estimateMemory(d0, inputSize, HEADER.settings, false).device).toBe(0)
    const sizes = [...VARIANTS.values()].map((each) =>
      estimateMemory(officialArchitecture(each), nativeInput(each), HEADER.settings, true),
    )
    for (const { host, device } of sizes) expect(Math.min(host, device)).toBeGreaterThan(150e6)
  })

  it('counts one set of kernels for each batch that is tuned for', () => {
    expect([1, 2, 3, 8, 32, 64].map(profileBatchSizesUpTo)).toEqual([
      [1],
      [1, 2],
      [1, 2, 3],
      [1, 2, 4, 8],
      [1, 2, 4, 8, 16, 32],
      [1, 2, 4, 8, 16, 32, 64],
    ])
  })

  const request = (options: Partial<MemoryRequest>) => () =>
    checkMemory({
      need: { host: 500e6, device: 0 },
      free: { memory: 4e9, swap: 0 },
      device: null,
      sparing: null,
      ...options,
    })
  const gpu = { name: 'Some GPU', free: 6e9, integrated: false }
  const orin = { name: 'Orin', free: 2e9, integrated: true }

  it('is no matter where there is plenty', () => {
    expect(request({})()).toBeNull()
    expect(request({ need: { host: 500e6, device: 1e9 }, device: gpu })()).toBeNull()
  })

  it('is warned of where it is tight', () => {
    expect(request({ free: { memory: 600e6, swap: 0 } })()).toMatch(
      /about 500 MB of memory, and 600 MB are free: that is tight/,
    )
  })

  it('is refused where it does not suffice, with both numbers', () => {
    expect(request({ free: { memory: 300e6, swap: 100e6 } })).toThrow(
      refusal('ERR_OUT_OF_MEMORY', /about 500 MB of memory, and 400 MB are free \(100 MB of it swap\)\./),
    )
    expect(request({ need: { host: 1, device: 7e9 }, device: gpu })).toThrow(
      refusal('ERR_OUT_OF_MEMORY', /about 7000 MB on Some GPU, and 6000 MB are free/),
    )
  })

  it('is left to the backend of a GPU that does not tell it', () => {
    const need = { host: 500e6, device: 1e9 }
    expect(request({ need, device: { ...gpu, free: 0 } })()).toBeNull()
    expect(request({ need, device: { ...gpu, free: 0 }, free: { memory: 400e6, swap: 0 } })).toThrow(
      refusal('ERR_OUT_OF_MEMORY', /about 500 MB of memory, and 400 MB are free/),
    )
  })

  it('counts swap for the host but not for the GPU of a Jetson', () => {
    const need = { host: 1e9, device: 1e9 }
    expect(request({ need, device: orin, free: { memory: 1.5e9, swap: 4e9 } })()).toBeNull()
    expect(request({ need, device: orin, free: { memory: 1.5e9, swap: 0 } })).toThrow(
      refusal('ERR_OUT_OF_MEMORY', /2000 MB of memory, which Orin shares,.* 1500 MB are free/),
    )
    expect(request({ need, device: orin, free: { memory: 0.5e9, swap: 9e9 } })).toThrow(
      refusal('ERR_OUT_OF_MEMORY', /1000 MB on Orin, which cannot be swapped,.* 500 MB are free/),
    )
  })

  it('is compared before a load, which has as many contexts as fit', () => {
    const engine = { engine: 1e9, context: 2e9 }
    const host = { memory: 4e9, swap: 9e9 }
    expect(fittingContexts(engine, 2, host, gpu)).toBe(2)
    expect(fittingContexts(engine, 8, host, gpu)).toBe(2)
    expect(fittingContexts(engine, 1, host, gpu)).toBe(1)
    // Memory that is shared is the host's, without swap.
    expect(fittingContexts(engine, 2, host, orin)).toBe(1)
    expect(() => fittingContexts(engine, 2, { memory: 2.9e9, swap: 9e9 }, orin)).toThrow(
      refusal('ERR_OUT_OF_MEMORY', /^This engine needs about 3000 MB on Orin, and 2900 MB are free/),
    )
    // What is not known hinders nobody.
    expect(fittingContexts(engine, 2, host, { ...gpu, free: 0 })).toBe(2)
  })

  it('offers a lower optimisation level where that fits', () => {
    const need = { host: 1e9, device: 8e9 }
    expect(request({ need, device: gpu, sparing: { host: 1e9, device: 5e9 } })).toThrow(
      /With optimisation level 1 it needs 6000 MB and fits/,
    )
    expect(request({ need, device: gpu, sparing: { host: 1e9, device: 7e9 } })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('optimisation level') }),
    )
  })
})
