import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { DetectionResult } from '#lib/index.js'

export const ROOT = join(import.meta.dirname, '..', '..')
export const MAIN = join(ROOT, 'dist', 'cli', 'main.js')
export const PERSON = join(ROOT, 'models', 'person', 'person.jpg')

export interface Run {
  /** The exit code; null where a signal ended the process. */
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  /** Added to the environment; undefined takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds after which it is killed. Defaults to two minutes. */
  readonly timeout?: number
}

/** Runs a program to its end, whatever its exit code. */
export function run(
  file: string,
  args: readonly string[],
  { cwd = ROOT, env, timeout = 120_000 }: RunOptions = {},
): Promise<Run> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64e6, timeout }
    const child = execFile(file, args, options, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr })
    })
  })
}

/** Runs the command line of this build. */
export function efficientdet(args: readonly string[], options?: RunOptions): Promise<Run> {
  return run(process.execPath, [MAIN, ...args], options)
}

/** Standard output as one JSON value a line. */
export function jsonLines<T>({ stdout }: Run): T[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): T => JSON.parse(line))
}

/** A line of `detect --json`. */
export type DetectLine = Pick<
  DetectionResult,
  'width' | 'height' | 'pages' | 'detections' | 'timings' | 'backend'
> & {
  readonly source: string
  readonly annotated: string | null
  readonly error?: { readonly code: string; readonly message: string }
}
