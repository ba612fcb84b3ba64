import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { EfficientDetError } from '../base/errors.js'
import { MAX_RUN_RECORD } from '../base/limits.js'
import { safeJson } from '../base/listing.js'
import { FileProblem, openFile } from '../base/open-file.js'
import { show } from '../base/show.js'
import { resolveModel } from '../hub/resolve.js'
import type { BatchFormat } from '../options/batch.js'
import type { LoadOptions } from '../options/load.js'
import type { Storage } from './storage.js'

/** All that the results of a run depend on, but for the pictures. */
export interface RunRecord extends ModelIdentity {
  readonly format: BatchFormat
  readonly shardSize: number
  readonly load: LoadOptions
  readonly detect: Readonly<Record<string, unknown>>
}

const RECORD = 'run.json'

/** @returns null where no run has begun */
export async function readRecord(storage: Storage): Promise<RunRecord | null> {
  const bytes = await storage.read(RECORD, MAX_RUN_RECORD)
  if (bytes === null) return null
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (cause) {
    throw new EfficientDetError('ERR_RUN', `${storage.title} holds a ${RECORD} that is no JSON.`, { cause })
  }
}

/**
 * Begins a run, or goes on with the one that is there.
 *
 * @throws EfficientDetError ERR_RUN with what differs
 */
export async function openRun(storage: Storage, record: RunRecord): Promise<void> {
  const text = safeJson(record, 2)
  if (await storage.create(RECORD, Buffer.from(text))) return
  const before = await readRecord(storage)
  const [was, is] = [before, JSON.parse(text)].map((one) => new Map(facts(one)))
  const differing = [...new Set([...was.keys(), ...is.keys()])].filter(
    (name) => was.get(name) !== is.get(name),
  )
  if (differing.length === 0) return
  const told = differing.map(
    (name) => `${name} is ${is.get(name) ?? 'not given'}, and was ${was.get(name) ?? 'not given'}`,
  )
  throw new EfficientDetError(
    'ERR_RUN',
    `${storage.title} holds another run: ${told.join('; ')}. Choose another folder, or the options of that run.`,
  )
}

/** `load.inputSize`, and its value as text. */
function facts(record: unknown, prefix = ''): [name: string, value: string][] {
  return Object.entries(Object(record)).flatMap(([name, value]): [string, string][] =>
    (prefix === '' && typeof value === 'object') ||
    (typeof value === 'object' && value !== null && !Array.isArray(value))
      ? facts(value, `${prefix}${name}.`)
      : [[prefix + name, typeof value === 'string' ? show(value) : JSON.stringify(value)]],
  )
}

/** A model as any process on this machine finds it, and its file's SHA-256. */
export interface ModelIdentity {
  readonly model: string
  readonly modelSha256: string
}

/** @throws EfficientDetError ERR_MODEL_NOT_FOUND; the signal's reason */
export async function identityOf(model: string, signal: AbortSignal | undefined): Promise<ModelIdentity> {
  const path = await resolveModel(model)
  try {
    await using file = await openFile(path)
    const hash = createHash('sha256')
    const pieces = file.handle.createReadStream({ autoClose: false, ...(signal && { signal }) })
    for await (const piece of pieces) hash.update(piece)
    // Names that stand for a file elsewhere on each machine stay names.
    return { model: path === model ? resolve(path) : model, modelSha256: hash.digest('hex') }
  } catch (cause) {
    signal?.throwIfAborted()
    if (!(cause instanceof FileProblem)) throw cause
    throw new EfficientDetError('ERR_MODEL_NOT_FOUND', `${path} ${cause.message}.`, { cause })
  }
}
