import { describe, expect, it } from 'vitest'
import { Cores, shareCores } from '#lib/backends/cpu/cores.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, type VariantName, variant } from '#lib/models/variants.js'

const GB = 1e9

function shared(name: VariantName, cores: number, free: number) {
  const one = variant(name)
  return shareCores(cores, officialArchitecture(one), nativeInput(one), free)
}

describe('cores are shared', () => {
  it.each([2, 3, 16])('by a network for each of %d where memory allows', (cores) => {
    expect(shared('lite0', cores, 64 * GB)).toEqual({ networks: cores, threads: 1 })
  })

  it('by nobody where there is one', () => {
    expect(shared('lite0', 1, 64 * GB)).toBeNull()
  })

  it('by fewer networks of several threads where a large model allows no more', () => {
    const { networks, threads } = shared('d2', 16, 64 * GB)!
    expect(networks).toBeGreaterThan(1)
    expect(networks).toBeLessThan(16)
    expect(threads).toBe(Math.floor(16 / networks))
  })

  it('by nobody where a second network is too large, be it for the bound or for what is free', () => {
    expect(shared('d7x', 16, 1024 * GB)).toBeNull()
    expect(shared('d0', 2, 4 * GB)).toEqual({ networks: 2, threads: 1 })
    expect(shared('d0', 2, GB)).toBeNull()
  })
})

describe('a call', () => {
  const network = (name: string) => ({ name, isBusy: false })
  const whole = network('whole')
  const shares = ['first', 'second', 'third', 'fourth'].map(network)

  function coresWith(busy: readonly string[]) {
    const cores = new Cores(whole)
    cores.share(shares)
    for (const one of cores.all) one.isBusy = busy.includes(one.name)
    return cores
  }

  it.each([
    [1, [], 'whole'],
    [2, [], 'whole'],
    [3, [], 'first'],
    [9, ['first', 'third'], 'second'],
    // The one that is alone in the end does not wait for all cores.
    [1, ['first'], 'second'],
    [9, ['first', 'second', 'third', 'fourth'], undefined],
    [9, ['whole'], undefined],
  ])('of %d in flight, while busy are %j, runs in: %s', (calls, busy, expected) => {
    expect(coresWith(busy).next(calls)?.name).toBe(expected)
  })

  it('takes its turn in the one network where there is no other', () => {
    const cores = new Cores(network('whole'))
    expect(cores.next(9)?.name).toBe('whole')
  })
})
