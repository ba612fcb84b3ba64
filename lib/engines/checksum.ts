import { createHash } from 'node:crypto'
import { readSmallFile } from '../base/open-file.js'

/** Bytes of a SHA-256. */
const CHECKSUM_BYTES = 32
/** Bytes that are hashed at a time: about a millisecond. */
const PIECE = 1 << 20

/** A file's parts: bytes after their checksum. */
export async function withChecksum(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
  return [await sha256(bytes), bytes]
}

/** Bytes of a file of ours; null where there is none, or its bytes are not those that were written. */
export async function checkedBytes(path: string, most: number): Promise<Uint8Array | null> {
  const file = await readSmallFile(path, most, { ours: true }).catch(() => null)
  if (file === null) return null
  const bytes = file.subarray(CHECKSUM_BYTES)
  return (await sha256(bytes)).equals(file.subarray(0, CHECKSUM_BYTES)) ? bytes : null
}

async function sha256(bytes: Uint8Array): Promise<Buffer> {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += PIECE) {
    hash.update(bytes.subarray(at, at + PIECE))
    await new Promise(setImmediate)
  }
  return hash.digest()
}
