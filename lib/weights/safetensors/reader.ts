import { jsonExtent } from '../../base/json.js'
import { MAX_RANK, MAX_SAFETENSORS_HEADER, MAX_SAFETENSORS_VALUES, MAX_TENSORS } from '../../base/limits.js'
import { abridged } from '../../base/listing.js'
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
const TYPES: ReadonlyMap<string, DType> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
])

/** A header is an object of tensors, of which each has arrays: three levels. */
const MAX_DEPTH = 3

/**
 * Opens a safetensors file: 8 bytes with the length of the header, the header in JSON, the tensors. Only the header
 * is read.
 *
 * Refuses all that the reference implementation does: tensors that overlap, leave holes, reach out of the file or
 * differ in length from their shape, and names that occur twice.
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
      throw weightsError(
        file,
        `describes the tensor "${abridged(name)}" in an unknown way. The file is damaged.`,
      )
    return { name, ...parsed }
  })
  if (described.length > MAX_TENSORS) throw weightsError(file, `has more than ${MAX_TENSORS} tensors.`)
  described.sort((a, b) => a.begin - b.begin || a.end - b.end)

  const tensors = new Map<string, StoredTensor>()
  const unreadable = new Map<string, string>()
  let covered = 0
  for (const { name, type, shape, begin, end } of described) {
    if (begin !== covered || end < begin || end > dataSize) {
      throw weightsError(
        file,
        `the tensor "${abridged(name)}" lies at bytes ${begin} to ${end} of ${dataSize}, but should begin at ${covered}, ` +
          `where the one before ends. ${INCOMPLETE}`,
      )
    }
    covered = end
    const dtype = TYPES.get(type)
    if (dtype === undefined) {
      unreadable.set(name, type)
      continue
    }
    const count = elementCount(shape)
    if (count === undefined || count * BYTES_PER_ELEMENT[dtype] !== end - begin) {
      throw weightsError(
        file,
        `the tensor "${abridged(name)}" of ${type} and shape [${shape.slice(0, 8)}] cannot have ${end - begin} bytes. ` +
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
  const notes = unreadableNotes(unreadable)
  return { format: 'safetensors', name: '', tensors, unreadable, metadata, notes, others: [] }
}

async function readHeader(file: WeightsFile): Promise<{ json: Record<string, unknown>; end: number }> {
  const length = Number(new DataView((await readBytes(file, 0, 8)).buffer).getBigUint64(0, true))
  if (length > MAX_SAFETENSORS_HEADER || 8 + length > file.size) {
    throw weightsError(
      file,
      `claims a safetensors header of ${length} bytes, but the file has ${file.size} ` +
        `and headers at most ${MAX_SAFETENSORS_HEADER}. ${INCOMPLETE}`,
    )
  }
  const bytes = await readBytes(file, 8, length)
  const { keys, values, depth } = jsonExtent(bytes)
  if (depth > MAX_DEPTH || values > MAX_SAFETENSORS_VALUES) {
    throw weightsError(
      file,
      `has a safetensors header of unknown form, or of more than ${MAX_TENSORS} tensors. The file is damaged.`,
    )
  }
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw weightsError(file, 'has a safetensors header that is no JSON. The file is damaged.', cause)
  }
  if (!isRecord(json))
    throw weightsError(file, 'has a safetensors header of unknown form. The file is damaged.')
  // JSON.parse silently keeps the last of equal keys.
  const distinct = Object.values(json).reduce<number>(
    (sum, value) => sum + 1 + (isRecord(value) ? Object.keys(value).length : 0),
    0,
  )
  if (distinct !== keys) throw weightsError(file, 'names a tensor twice in its header. The file is damaged.')
  return { json, end: 8 + length }
}

function parseDescription(value: unknown) {
  if (!isRecord(value)) return undefined
  const { dtype: type, shape, data_offsets: offsets } = value
  if (typeof type !== 'string' || !isNumbers(shape, MAX_RANK) || !isNumbers(offsets, 2)) return undefined
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

function isNumbers(value: unknown, most: number): value is number[] {
  return Array.isArray(value) && value.length <= most && value.every((item) => typeof item === 'number')
}
