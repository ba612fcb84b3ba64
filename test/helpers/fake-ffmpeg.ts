import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from './checkpoints.js'

/** A program in the place of ffmpeg that tells a version, if any, and then does what a shell is told. */
export async function fakeFfmpeg(version: string | null, does = 'exec sleep 1000'): Promise<string> {
  const path = join(await temporaryFolder(), 'ffmpeg')
  const tells = version === null ? 'exec sleep 1000' : `printf '${version}'; exit 0`
  await writeFile(path, `#!/bin/sh\ncase "$*" in *-version*) ${tells};; esac\n${does}\n`)
  await chmod(path, 0o755)
  return path
}

/** What ffmpeg 5.1 says of itself. */
export const FFMPEG_5_1 = 'ffmpeg version 5.1.9\\nlibavutil      57. 28.100 / 57. 28.100\\n'
