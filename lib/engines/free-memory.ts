import { readFile } from 'node:fs/promises'
import { freemem } from 'node:os'

/** Memory of the host that a build could still take, in bytes. */
export interface FreeMemory {
  /** Without pushing anything into swap; within the limits of the container and of the process. */
  readonly memory: number
  /** Free swap. */
  readonly swap: number
}

/** What is free now, as Linux tells it; what it does not tell limits nothing. */
export async function freeMemory(): Promise<FreeMemory> {
  const [meminfo, limits, status] = await Promise.all(
    ['/proc/meminfo', '/proc/self/limits', '/proc/self/status'].map(textOf),
  )
  return freeMemoryOf({ meminfo, limits, status, constrained: constrainedMemory() })
}

export interface MemoryFacts {
  /** The texts of /proc/meminfo, /proc/self/limits and /proc/self/status, empty where they are not there. */
  readonly meminfo: string
  readonly limits: string
  readonly status: string
  /** Bytes that the container's limit leaves. */
  readonly constrained: number
}

export function freeMemoryOf({ meminfo, limits, status, constrained }: MemoryFacts): FreeMemory {
  const available = kilobytes(meminfo, 'MemAvailable') ?? freemem()
  const limit = /^Max address space +(\d+)/m.exec(limits)
  const mapped = kilobytes(status, 'VmSize') ?? 0
  const addressable = limit === null ? Number.POSITIVE_INFINITY : Math.max(0, Number(limit[1]) - mapped)
  return {
    memory: Math.min(available, constrained, addressable),
    // Swapped pages count as address space too.
    swap: Math.min(kilobytes(meminfo, 'SwapFree') ?? 0, Math.max(0, addressable - available)),
  }
}

/** A control group's limit less what this process holds; libuv gives 2⁶³ and the like where there is none. */
function constrainedMemory(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.max(0, limit - process.memoryUsage.rss()) : Number.POSITIVE_INFINITY
}

function kilobytes(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
  return match === null ? null : 1024 * Number(match[1])
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
