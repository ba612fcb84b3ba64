import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PERSON, ROOT, type Run, run } from './cli.js'

const INDEX = JSON.stringify(pathToFileURL(join(ROOT, 'dist', 'index.js')).href)

/** What every program begins with. */
export const PROLOGUE = `
import { setTimeout as sleep } from 'node:timers/promises'
import { EfficientDet } from ${INDEX}
const INDEX = ${INDEX}
const PERSON = ${JSON.stringify(PERSON)}
`

/** What a program that ended by itself leaves besides its standard output. */
export const QUIET = { code: 0, signal: null, stderr: '' }

/** Runs an ES module as a program of its own, for what only the end of a process shows. */
export function program(body: string, flags: readonly string[] = []): Promise<Run> {
  return run(process.execPath, [...flags, '--input-type=module', '--eval', PROLOGUE + body])
}
