import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Bytes of a socket's path beside its folder; all of it may have 107. */
const MOST_BYTES = 107 - 40

/**
 * The folder of this user's sockets, which nobody else can reach: in `XDG_RUNTIME_DIR` or the folder of temporary
 * files. Null where its name is somebody else's or too long.
 */
export async function lockFolder(env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  const { XDG_RUNTIME_DIR: runtime = '' } = env
  const user = process.getuid?.() ?? 'user'
  const folders = [
    ...(isAbsolute(runtime) ? [join(runtime, 'efficientdet-trt')] : []),
    ...new Set([tmpdir(), '/tmp'].map((folder) => join(folder, `efficientdet-trt-${user}`))),
  ]
  for (const folder of folders) {
    if (Buffer.byteLength(folder) <= MOST_BYTES && (await isOwn(folder))) return folder
  }
  return null
}

/** Makes the folder, and looks whether it is one of ours alone, and no link. */
async function isOwn(folder: string): Promise<boolean> {
  await mkdir(folder, { mode: 0o700 }).catch(() => {})
  const stats = await lstat(folder).catch(() => null)
  if (stats === null || !stats.isDirectory()) return false
  return stats.uid === (process.getuid?.() ?? stats.uid) && (stats.mode & 0o077) === 0
}
