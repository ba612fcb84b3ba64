import { MAX_TENSORS } from '../../base/limits.js'
import { abridged } from '../../base/listing.js'
import { INCOMPLETE, SAVE_LITTLE_ENDIAN, SAVE_STATE_DICT } from '../advice.js'
import { fileReader, readBytes, type WeightsFile, weightsError } from '../weights-file.js'
import { unpickle } from './pickle.js'
import { isKind, type PickleValue } from './pickle-values.js'
import { type StoredBytes, storageElementBytes, storageFrom } from './tensor.js'
import type { PyTorchFile } from './zip-container.js'

/** The first pickle of every such file (torch/serialization.py, MAGIC_NUMBER). */
const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn
const PROTOCOL_VERSION = 1001

/**
 * Reads the container of PyTorch before 1.6, which later versions still write on request
 * (`_use_new_zipfile_serialization=False`). Only pickles and counts are read:
 *
 * - pickles of a magic number, a version, facts about the writing system, the object and the keys of its storages
 * - for each key, in order, a count of elements in 8 bytes and the elements
 *
 * @throws ERR_WEIGHTS for other pickles, other versions and big-endian files; ERR_UNSAFE_PICKLE.
 */
export async function readPyTorchLegacy(file: WeightsFile): Promise<PyTorchFile> {
  const reader = fileReader(file, 0, file.size)
  const next = (resolve?: (id: PickleValue) => PickleValue) =>
    unpickle(reader, { name: file.path, ...(resolve && { resolve }) })

  if (next() !== MAGIC_NUMBER) {
    throw weightsError(file, `is a pickle, but not one that torch.save wrote. ${SAVE_STATE_DICT}`)
  }
  const version = next()
  if (version !== PROTOCOL_VERSION) {
    throw weightsError(
      file,
      `is a PyTorch file of protocol ${abridged(String(version))}, but only ${PROTOCOL_VERSION} is known.`,
    )
  }
  const system = next()
  if (
    isKind(system, 'dict') &&
    system.entries.some(([key, value]) => key === 'little_endian' && value === false)
  ) {
    throw weightsError(file, `its numbers are big-endian. ${SAVE_LITTLE_ENDIAN}`)
  }

  const elementBytes = new Map<string, number | undefined>()
  const root = next((id) => {
    // A module's class is saved with its source code: ('module', class, file, source). The name is enough.
    if (isKind(id, 'tuple') && id.items[0] === 'module' && isKind(id.items[1], 'global')) return id.items[1]
    const value: PickleValue = { kind: 'persistent', id }
    const storage = storageFrom(value)
    if (storage) elementBytes.set(storage.key, storageElementBytes(storage.type))
    return value
  })

  const keys = next()
  if (!isKind(keys, 'list')) throw weightsError(file, 'has no list of storages. The file is damaged.')
  if (keys.items.length > MAX_TENSORS) throw weightsError(file, `has more than ${MAX_TENSORS} storages.`)
  const storages = new Map<string, StoredBytes>()
  let position = reader.position
  for (const key of keys.items) {
    const bytesPerElement = typeof key === 'string' ? elementBytes.get(key) : undefined
    if (typeof key !== 'string' || bytesPerElement === undefined || storages.has(key)) {
      throw weightsError(
        file,
        `has a storage that cannot be understood (${abridged(String(key))}). The file is damaged.`,
      )
    }
    const count = new DataView((await readBytes(file, position, 8)).buffer).getBigUint64(0, true)
    const start = position + 8
    const size = Number(count) * bytesPerElement
    if (start + size > file.size) {
      throw weightsError(
        file,
        `the storage "${abridged(key)}" of ${size} bytes reaches out of the file. ${INCOMPLETE}`,
      )
    }
    storages.set(key, { size, read: (offset, length) => readBytes(file, start + offset, length) })
    position = start + size
  }
  return { format: 'pytorch-legacy', root, storage: (key) => storages.get(key) }
}
