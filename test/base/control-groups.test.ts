import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { availableProcessors } from '#lib/base/available-processors.js'
import { groupLimits } from '#lib/base/control-groups.js'
import { temporaryFolder } from '../helpers/checkpoints.js'

/** Where /proc and /sys have these files. */
async function machine(groups: string, files: Readonly<Record<string, string | number>>): Promise<string> {
  const root = await temporaryFolder()
  const all = { 'proc/self/cgroup': groups, ...prefixed('sys/fs/cgroup', files) }
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), `${text}\n`)
  }
  return root
}

function prefixed<T>(folder: string, files: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]))
}

const NONE = { processors: Infinity, memory: Infinity, swap: Infinity }
const UNLIMITED = '9223372036854771712'

describe('limits of control groups', () => {
  it('are none where there are no groups, or none with limits', async () => {
    expect(groupLimits(await temporaryFolder())).toEqual(NONE)
    expect(groupLimits(await machine('0::/', {}))).toEqual(NONE)
    const v2 = {
      'cpu.max': 'max 100000',
      'memory.max': 'max',
      'memory.high': 'max',
      'memory.swap.max': 'max',
    }
    expect(groupLimits(await machine('0::/a', prefixed('a', v2)))).toEqual(NONE)
    const root = await machine('4:memory:/a\n3:cpu,cpuacct:/a\n0::/', {
      'cpu,cpuacct/a/cpu.cfs_quota_us': -1,
      'cpu,cpuacct/a/cpu.cfs_period_us': 100_000,
      'memory/a/memory.limit_in_bytes': UNLIMITED,
      'memory/a/memory.memsw.limit_in_bytes': UNLIMITED,
      'memory/a/memory.usage_in_bytes': 1000,
    })
    expect(groupLimits(root)).toEqual(NONE)
  })

  it('are the least of a group and all above it, in version 2', async () => {
    const root = await machine('0::/slice/pod/container', {
      'slice/cpu.max': '50000 100000',
      'slice/pod/container/cpu.max': '400000 100000',
      'slice/pod/memory.max': 2000,
      'slice/pod/memory.current': 500,
      'slice/pod/memory.stat': 'anon 400\ninactive_file 100\nactive_file 7',
      'slice/pod/container/memory.max': 'max',
      'slice/pod/container/memory.high': 9000,
      'slice/pod/container/memory.swap.max': 300,
      'slice/pod/container/memory.swap.current': 100,
    })
    expect(groupLimits(root)).toEqual({ processors: 0.5, memory: 1600, swap: 200 })
  })

  it('are those at the root in a container, which sees its own group there', async () => {
    const files = { 'cpu.max': '150000 100000', 'memory.max': 2000, 'memory.current': 2500 }
    expect(groupLimits(await machine('0::/', files))).toEqual({ processors: 1.5, memory: 0, swap: Infinity })
    const root = await machine('5:memory:/docker/0123\n4:cpuacct,cpu:/docker/0123', {
      'cpu/cpu.cfs_quota_us': 25_000,
      'cpu/cpu.cfs_period_us': 50_000,
      'memory/memory.limit_in_bytes': 2000,
      'memory/memory.usage_in_bytes': 700,
      'memory/memory.memsw.limit_in_bytes': 3000,
      'memory/memory.memsw.usage_in_bytes': 900,
      'memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 200',
    })
    // What is left together is 2300; 1500 of it is memory.
    expect(groupLimits(root)).toEqual({ processors: 0.5, memory: 1500, swap: 800 })
  })

  it('are told beside version 1 by version 2 as well', async () => {
    const root = await machine('1:name=systemd:/\n0::/a', { 'unified/a/cpu.max': '100000 100000' })
    expect(groupLimits(root).processors).toBe(1)
  })
})

describe('available processors', () => {
  it.each([
    ['max 100000', Infinity],
    ['1000 100000', 1],
    ['50000 100000', 1],
    ['100000 100000', 1],
    ['100001 100000', 2],
    ['25600000 100000', 256],
  ])('with a quota of %s are %d at most', async (quota, most) => {
    const root = await machine('0::/', { 'cpu.max': quota })
    expect(availableProcessors(root)).toBe(Math.min(most, availableParallelism()))
  })
})
