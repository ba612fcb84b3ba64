import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { temporaryFolder } from './checkpoints.js'

/** Whether ffmpeg and ffprobe are installed, which decode videos and tell what is right. */
export const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0)

if (!hasFfmpeg) console.warn('Tests of videos are skipped: ffmpeg and ffprobe are not installed.')

/** Makes a file with ffmpeg, in a folder of its own. @returns its path */
export async function clip(name: string, ...args: readonly string[]): Promise<string> {
  const path = join(await temporaryFolder(), name)
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...args, path], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return path
}

/** Arguments for a moving test picture. */
export function picture(size: string, seconds: number, rate = 25): string[] {
  return ['-f', 'lavfi', '-i', `testsrc=size=${size}:rate=${rate}:duration=${seconds}`]
}

export interface ProbedFrame {
  readonly pts: number
  readonly best_effort_timestamp: number
}

/** What ffprobe says of a file's first stream of pictures, frame by frame. */
export function probe(path: string): { readonly timeBase: string; readonly frames: readonly ProbedFrame[] } {
  const shown = ['-show_entries', 'frame=pts,best_effort_timestamp:stream=time_base']
  const args = ['-v', 'error', '-select_streams', 'V:0', ...shown, '-of', 'json', path]
  const { frames, streams } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 64e6 }))
  return { timeBase: streams[0].time_base, frames }
}

/** The bytes of a file's frames, as ffmpeg alone writes them. */
export function rawFrames(path: string, ...args: readonly string[]): Buffer {
  const output = [...args, '-f', 'rawvideo', 'pipe:1']
  return execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-i', path, ...output], { maxBuffer: 1e9 })
}
