import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

import { openCheckpoint } from '#lib/weights/checkpoint.js'
import type { Checkpoint } from '#lib/weights/tensor.js'
import { temporaryFolder } from './temporary-folder.js'

export { temporaryFolder }

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'weights')

/** The path of a small checkpoint that PyTorch, numpy or safetensors wrote. */
export function fixture(name: string): string {
  return join(FOLDER, name)
}

export interface ExpectedTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

type ExpectedFiles = Readonly<Record<string, Readonly<Record<string, ExpectedTensor>>>>

const SPECIAL: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity }

/** What PyTorch says that the fixtures hold, by file and tensor, in the order of the file. */
export const EXPECTED: ExpectedFiles = JSON.parse(
  readFileSync(fixture('expected.json'), 'utf8'),
  (_, value) => (typeof value === 'string' && value in SPECIAL ? SPECIAL[value] : value),
)

/** A file of these bytes for the time of a test. */
export async function temporaryFile(bytes: Uint8Array | string, name = 'file.pth'): Promise<string> {
  const path = join(await temporaryFolder(), name)
  await writeFile(path, bytes)
  return path
}

/** Opens a checkpoint that the test's end closes. */
export async function opened(path: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(path)
  onTestFinished(() => checkpoint.close())
  return checkpoint
}

/** Everything that a checkpoint holds, in the form of `EXPECTED`. */
export async function contentOf(checkpoint: Checkpoint): Promise<Record<string, ExpectedTensor>> {
  const content: [string, ExpectedTensor][] = []
  for (const [name, { dtype, shape, read }] of checkpoint.tensors) {
    content.push([name, { dtype, shape, values: [...(await read())] }])
  }
  return Object.fromEntries(content)
}
