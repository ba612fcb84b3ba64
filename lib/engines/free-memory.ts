import { readFile } from 'node:fs/promises'
import { freemem } from 'node:os'
import { type GroupLimits, groupLimits } from '../base/control-groups.js'

/** Memory of the host that a build could still take, in bytes. */
export interface FreeMemory {
  /** Without pushing anything into swap; within the limits of the container and of the process. */
  readonly memory: number
  /** Free swap. */
  readonly swap: number
}

/** What is free now, as Linux reports it; what it does not report limits nothing. */
export async function freeMemory(): Promise<FreeMemory> {
  const [meminfo, limits, status] = await Promise.all(
    ['/proc/meminfo', '/proc/self/limits', '/proc/self/status'].map(textOf),
  )
  return freeMemoryOf({ meminfo, limits, status, groups: groupLimits() })
}

/** Bytes of address space that are left: Infinity but where the process is limited. */
export async function freeAddressSpace(): Promise<number> {
  return addressableOf(await textOf('/proc/self/limits'), await textOf('/proc/self/status'))
}

function addressableOf(limits: string, status: string): number {
  const limit = /^Max address space +(\d+)/m.exec(limits)
  if (limit === null) return Number.POSITIVE_INFINITY
  return Math.max(0, Number(limit[1]) - (kilobytes(status, 'VmSize') ?? 0))
}

export interface MemoryFacts {
  /** The texts of /proc/meminfo, /proc/self/limits and /proc/self/status, empty where they are not there. */
  readonly meminfo: string
  readonly limits: string
  readonly status: string
  /** What the limits of the container leave. */
  readonly groups: Pick<GroupLimits, 'memory' | 'swap'>
}

export function freeMemoryOf({ meminfo, limits, status, groups }: MemoryFacts): FreeMemory {
  const available = kilobytes(meminfo, 'MemAvailable') ?? freemem()
  const addressable = addressableOf(limits, status)
  return {
    memory: Math.min(available, groups.memory, addressable),
    // Swapped pages count as address space too.
    swap: Math.min(kilobytes(meminfo, 'SwapFree') ?? 0, groups.swap, Math.max(0, addressable - available)),
  }
}

function kilobytes(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
  return match === null ? null : 1024 * Number(match[1])
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
