import { INCOMPLETE } from '../advice.js'
import { elementCount, elementsToFloat32 } from '../elements.js'
import {
  BYTES_PER_ELEMENT,
  type Checkpoint,
  type DType,
  type StoredTensor,
  unreadableNotes,
} from '../tensor.js'
import { readBytes, type WeightsFile, weightsError } from '../weights-file.js'

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
  const unreadable = new Map<string, string>()
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
      unreadable.set(name, type)
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
  if (described.length === 0) throw weightsError(file, 'holds no tensors.')
  return { format: 'safetensors', tensors, unreadable, metadata, notes: unreadableNotes(unreadable) }
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
