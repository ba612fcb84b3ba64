/** A kind of code for GPUs in a library, such as `sm_90`, or `compute_120` for PTX, which later GPUs compile. */
export type GpuCode = `${'sm' | 'compute'}_${number}`

const MAGIC = Buffer.from([0x50, 0xed, 0x55, 0xba])

/** What code nvcc has put into a library, by the headers of its fat binaries, ascending. */
export function gpuCodeIn(library: Buffer): GpuCode[] {
  const found = new Set<GpuCode>()
  for (let at = library.indexOf(MAGIC); at >= 0; at = library.indexOf(MAGIC, at + 1)) {
    const begin = at + library.readUInt16LE(at + 6)
    const end = begin + Number(library.readBigUInt64LE(at + 8))
    for (let entry = begin; entry < end; ) {
      const isPtx = library.readUInt16LE(entry) === 1
      found.add(`${isPtx ? 'compute' : 'sm'}_${library.readUInt32LE(entry + 28)}`)
      entry += library.readUInt32LE(entry + 4) + Number(library.readBigUInt64LE(entry + 8))
    }
  }
  const number = (code: GpuCode) => Number(code.replace(/\D+/, ''))
  return [...found].sort((a, b) => number(a) - number(b) || a.localeCompare(b))
}
