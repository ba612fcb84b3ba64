import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'postprocess')

/** A JSON file that test/fixtures/postprocess/make_fixtures.py wrote. */
export function reference<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8'))
}

export function floatsOf(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer)
}

export function doublesOf(base64: string): Float64Array {
  return new Float64Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer)
}
