import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Limits of this process's control groups, which containers are made of, and of those above. Node tells one group's
 * memory alone; no package in use reads both versions.
 */
export interface GroupLimits {
  /** How many processors' time may be used, such as 0.5. */
  readonly processors: number
  /** Bytes of memory and of swap that may still be taken. */
  readonly memory: number
  readonly swap: number
}

/**
 * Infinity for what is not limited, as everywhere but on Linux.
 *
 * @param root where /proc and /sys are
 */
export function groupLimits(root = '/'): GroupLimits {
  const processors = groupsOf('cpu', root).map(processorsOf)
  const memory = groupsOf('memory', root).map(memoryOf)
  return {
    processors: Math.min(...processors),
    memory: Math.min(...memory.map((left) => left.memory)),
    swap: Math.min(...memory.map((left) => left.swap)),
  }
}

interface Group {
  readonly version: 1 | 2
  /** The text of one of its files; empty where it has none. */
  readonly read: (file: string) => string
}

/** The groups of this process that may limit what a controller gives: its own and those above it. */
function groupsOf(controller: string, root: string): Group[] {
  const mounts = join(root, 'sys/fs/cgroup')
  const groups: Group[] = []
  for (const line of textOf(join(root, 'proc/self/cgroup')).split('\n')) {
    const [, controllers = '', ...path] = line.split(':')
    // Version 2 has one hierarchy for all controllers, whose line names none; beside version 1 it lies in `unified`.
    const version = controllers === '' ? 2 : 1
    if (version === 1 && !controllers.split(',').includes(controller)) continue
    const names = version === 2 ? ['.', 'unified'] : new Set([controllers, controller])
    for (const name of names) {
      for (const group of ancestry(path.join(':'))) {
        groups.push({ version, read: (file) => textOf(join(mounts, name, group, file)) })
      }
    }
  }
  return groups
}

/** `/a/b`, `/a` and `/`. In a container only the last may be there: it is the container's own. */
function ancestry(path: string): string[] {
  const above = dirname(path)
  return above === path || above === '.' ? ['/'] : [path, ...ancestry(above)]
}

function processorsOf({ version, read }: Group): number {
  const texts =
    version === 2 ? read('cpu.max').split(' ') : [read('cpu.cfs_quota_us'), read('cpu.cfs_period_us')]
  const [quota, period] = texts.map(Number)
  // No limit is written as "max" or −1.
  return quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY
}

function memoryOf({ version, read }: Group): Pick<GroupLimits, 'memory' | 'swap'> {
  // Pages of files that were not used lately make way for others.
  const files = version === 2 ? /^inactive_file (\d+)$/m : /^total_inactive_file (\d+)$/m
  const reclaimable = Number(files.exec(read('memory.stat'))?.[1] ?? 0)
  if (version === 2) {
    const limit = Math.min(bytesIn(read('memory.max')), bytesIn(read('memory.high')))
    return {
      memory: left(limit, Number(read('memory.current')) - reclaimable),
      swap: left(bytesIn(read('memory.swap.max')), Number(read('memory.swap.current'))),
    }
  }
  const memory = left(
    bytesIn(read('memory.limit_in_bytes')),
    Number(read('memory.usage_in_bytes')) - reclaimable,
  )
  const both = left(
    bytesIn(read('memory.memsw.limit_in_bytes')),
    Number(read('memory.memsw.usage_in_bytes')) - reclaimable,
  )
  return { memory, swap: both === Number.POSITIVE_INFINITY ? both : left(both, memory) }
}

function left(limit: number, used: number): number {
  return Math.max(0, limit - used)
}

/** Bound of what counts as a limit: version 1 writes 2⁶³ less a page for none. */
const UNLIMITED = 2 ** 60

function bytesIn(text: string): number {
  const bytes = text.trim() === '' ? Number.NaN : Number(text)
  return bytes < UNLIMITED ? bytes : Number.POSITIVE_INFINITY
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
