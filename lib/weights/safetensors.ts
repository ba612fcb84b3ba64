import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'

import { EfficientDetError } from '../errors.js'
import { float32ToFloat16 } from '../float16.js'
import { INCOMPLETE } from './advice.js'
import { elementCount, elementsToFloat32 } from './elements.js'
import { unreadableNotes } from './listing.js'
import { BYTES_PER_ELEMENT, type Checkpoint, type DType, type StoredTensor } from './tensor.js'
import { readBytes, type WeightsFile, weightsError } from './weights-file.js'

/** safetensors' names of the element types. */
const TYPES: Readonly<Record<string, DType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
}

/** The limit of the reference implementation. */
const MAX_HEADER = 100_000_000

/** A header is an object of tensors, of which each has arrays: three levels. */
const MAX_DEPTH = 3

/**
 * Opens a safetensors file: 8 bytes with the length of the header, the header in JSON, the tensors. Only the
 * header is read. Everything the reference implementation refuses is refused: tensors that overlap, leave
 * holes, reach out of the file or differ in length from their shape, and names that occur twice.
 *
 * Source: the format's description in the safetensors repository's README.
 *
 * @throws ERR_WEIGHTS
 */
export async function openSafetensors(file: WeightsFile): Promise<Omit<Checkpoint, 'close'>> {
  const header = await readHeader(file)
  const dataStart = header.end
  const dataSize = file.size - dataStart

  const { __metadata__: metadata = {}, ...descriptions } = header.json
  if (!isRecord(metadata) || !isTextRecord(metadata)) {
    throw weightsError(file, 'has a __metadata__ that is not an object of texts. The file is damaged.')
  }
  const described = Object.entries(descriptions).map(([name, description]) => {
    const parsed = parseDescription(description)
    if (!parsed)
      throw weightsError(file, `describes the tensor "${name}" in an unknown way. The file is damaged.`)
    return { name, ...parsed }
  })
  described.sort((a, b) => a.begin - b.begin || a.end - b.end)

  const tensors = new Map<string, StoredTensor>()
  const unreadable: string[] = []
  let covered = 0
  for (const { name, type, shape, begin, end } of described) {
    if (begin !== covered || end < begin || end > dataSize) {
      throw weightsError(
        file,
        `the tensor "${name}" lies at bytes ${begin} to ${end} of ${dataSize}, but should begin at ${covered}, ` +
          `where the one before ends. ${INCOMPLETE}`,
      )
    }
    covered = end
    const dtype = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
    if (dtype === undefined) {
      unreadable.push(`${name} (${type})`)
      continue
    }
    const count = elementCount(shape)
    if (count === undefined || count * BYTES_PER_ELEMENT[dtype] !== end - begin) {
      throw weightsError(
        file,
        `the tensor "${name}" of ${type} and shape [${shape.slice(0, 8)}] cannot have ${end - begin} bytes. ` +
          'The file is damaged.',
      )
    }
    tensors.set(name, {
      dtype,
      shape,
      read: async () => elementsToFloat32(await readBytes(file, dataStart + begin, end - begin), dtype),
    })
  }
  if (covered !== dataSize) {
    throw weightsError(file, `has ${dataSize - covered} bytes after the last tensor. The file is damaged.`)
  }
  if (tensors.size === 0) throw weightsError(file, 'holds no tensors.')
  return { format: 'safetensors', tensors, metadata, notes: unreadableNotes(unreadable) }
}

async function readHeader(file: WeightsFile): Promise<{ json: Record<string, unknown>; end: number }> {
  const length = Number(new DataView((await readBytes(file, 0, 8)).buffer).getBigUint64(0, true))
  if (length > MAX_HEADER || 8 + length > file.size) {
    throw weightsError(
      file,
      `claims a safetensors header of ${length} bytes, but the file has ${file.size} ` +
        `and headers at most ${MAX_HEADER}. ${INCOMPLETE}`,
    )
  }
  const bytes = await readBytes(file, 8, length)
  const keys = countKeys(bytes)
  let json: unknown
  try {
    json =
      keys === undefined ? undefined : JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw weightsError(file, 'has a safetensors header that is no JSON. The file is damaged.', cause)
  }
  if (!isRecord(json))
    throw weightsError(file, 'has a safetensors header of unknown form. The file is damaged.')
  const distinct = Object.values(json).reduce<number>(
    (sum, value) => sum + 1 + (isRecord(value) ? Object.keys(value).length : 0),
    0,
  )
  if (distinct !== keys) throw weightsError(file, 'names a tensor twice in its header. The file is damaged.')
  return { json, end: 8 + length }
}

/**
 * Counts the keys in JSON by their colons, since JSON.parse silently keeps the last of equal ones; undefined
 * where it nests deeper than a header does, which could fill the memory with brackets.
 */
function countKeys(json: Uint8Array): number | undefined {
  let keys = 0
  let depth = 0
  let inText = false
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (inText) {
      if (byte === 0x5c /* \ */) i++
      else if (byte === 0x22 /* " */) inText = false
    } else if (byte === 0x22) inText = true
    else if (byte === 0x3a /* : */) keys++
    else if (byte === 0x7b /* { */ || byte === 0x5b /* [ */) {
      depth++
      if (depth > MAX_DEPTH) return undefined
    } else if (byte === 0x7d /* } */ || byte === 0x5d /* ] */) depth--
  }
  return keys
}

function parseDescription(value: unknown) {
  if (!isRecord(value)) return undefined
  const { dtype: type, shape, data_offsets: offsets } = value
  if (typeof type !== 'string' || !isNumbers(shape) || !isNumbers(offsets)) return undefined
  const [begin, end] = offsets
  if (offsets.length !== 2 || !Number.isSafeInteger(begin) || !Number.isSafeInteger(end)) return undefined
  return { type, shape, begin, end }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTextRecord(value: Record<string, unknown>): value is Record<string, string> {
  return Object.values(value).every((item) => typeof item === 'string')
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number')
}

/** A tensor in memory, with the type it is to have in the file. */
export interface WritableTensor {
  readonly name: string
  readonly dtype: 'float32' | 'float16'
  readonly shape: readonly number[]
  /** In row-major order. */
  readonly data: Float32Array
}

/**
 * Writes a safetensors file. It is complete or absent at any time: it is written beside, then renamed. The
 * bytes depend on the tensors alone, not on their order: float32 come before float16, which keeps all of
 * them aligned, each sorted by name, as the reference implementation does.
 *
 * @throws ERR_WEIGHTS when a name occurs twice or the data do not fill their shape; ERR_OUTPUT when the file
 * cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<WritableTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = [...tensors].sort((a, b) =>
    a.dtype === b.dtype ? compare(a.name, b.name) : compare(b.dtype, a.dtype),
  )
  const header = headerOf(path, sorted, metadata)
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    const handle = await open(temporary, 'wx')
    try {
      await handle.writeFile(header)
      for (const { dtype, data } of sorted) {
        const stored = dtype === 'float16' ? float32ToFloat16(data) : data
        await handle.writeFile(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength))
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    // Where even this fails, as below a regular file, the first failure is the one to tell.
    await rm(temporary, { force: true }).catch(() => {})
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EfficientDetError('ERR_OUTPUT', `${path}: cannot be written (${reason}).`, { cause })
  }
}

function headerOf(
  path: string,
  tensors: readonly WritableTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const described = new Map<string, unknown>()
  const texts = Object.entries(metadata).sort(([a], [b]) => compare(a, b))
  if (texts.length > 0) described.set('__metadata__', Object.fromEntries(texts))
  let end = 0
  for (const { name, dtype, shape, data } of tensors) {
    if (name === '__metadata__' || described.has(name)) {
      throw weightsError({ path }, `cannot be written with two tensors named "${name}".`)
    }
    if (elementCount(shape) !== data.length) {
      throw weightsError(
        { path },
        `cannot be written: "${name}" has ${data.length} values for the shape [${shape}].`,
      )
    }
    const begin = end
    end += data.length * BYTES_PER_ELEMENT[dtype]
    described.set(name, { dtype: dtype === 'float16' ? 'F16' : 'F32', shape, data_offsets: [begin, end] })
  }
  // Not through an object, which would move names that look like numbers to the front.
  const entries = [...described].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const json = Buffer.from(`{${entries.join(',')}}`)
  // Spaces up to a multiple of 8, so that the tensors are aligned for readers that map the file.
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  return header
}

/** By UTF-16 code units, whatever the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
