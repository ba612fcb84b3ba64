import { MAX_RANK, MAX_REPEATED_ELEMENTS } from '../../base/limits.js'
import { abridged } from '../../base/listing.js'
import { elementCount, elementsToFloat32 } from '../elements.js'
import { BYTES_PER_ELEMENT, type DType, type StoredTensor } from '../tensor.js'
import { type WeightsFile, weightsError } from '../weights-file.js'
import { isKind, type PickleObject, type PickleValue } from './pickle-values.js'

/** The bytes that one or more tensors look at. */
export interface StoredBytes {
  readonly size: number
  read(offset: number, length: number): Promise<Uint8Array>
}

/** PyTorch's names of element types, in storage classes (`torch.FloatStorage`) and as `torch.float32`. */
const STORAGE_TYPES: ReadonlyMap<string, DType> = new Map([
  ['Double', 'float64'],
  ['Float', 'float32'],
  ['Half', 'float16'],
  ['BFloat16', 'bfloat16'],
  ['Long', 'int64'],
  ['Int', 'int32'],
  ['Short', 'int16'],
  ['Char', 'int8'],
  ['Byte', 'uint8'],
  ['Bool', 'bool'],
])

/** Calls that rebuild tensors whose values are not plain numbers in the file. Source: torch/_utils.py. */
const UNREADABLE: ReadonlyMap<string, string> = new Map([
  ['torch._utils._rebuild_qtensor', 'quantized'],
  ['torch._utils._rebuild_sparse_tensor', 'sparse'],
  ['torch._utils._rebuild_sparse_csr_tensor', 'sparse'],
  ['torch._utils._rebuild_nested_tensor', 'nested'],
  ['torch._utils._rebuild_meta_tensor_no_storage', 'on the meta device, without values'],
  ['torch._utils._rebuild_wrapper_subclass', 'a wrapper around other tensors, such as a distributed one'],
  ['torch._utils._rebuild_device_tensor_from_numpy', 'of a device that is no CPU and no GPU'],
  ['torch._utils._rebuild_device_tensor_from_cpu_tensor', 'of a device that is no CPU and no GPU'],
])

/** Whether a value is a tensor or parameter of any kind; nothing of it is checked yet. */
export function isTensor(value: PickleValue | undefined): boolean {
  return unwrap(value) !== undefined
}

/**
 * The tensor that a pickled call of PyTorch's would rebuild.
 *
 * @param storageOf gives the bytes by the storage's key, undefined where the file has none.
 * @returns the tensor, or why its values cannot be had: its kind (quantized, sparse, …), or its element type where
 *   that has no place in float32 (complex64, …)
 * @throws ERR_WEIGHTS when it is malformed or reaches out of its storage.
 */
export function tensorFrom(
  value: PickleValue,
  name: string,
  file: WeightsFile,
  storageOf: (key: string) => StoredBytes | undefined,
): StoredTensor | string {
  const fail = (problem: string) =>
    weightsError(file, `the tensor "${abridged(name)}" ${problem}. The file is damaged.`)
  const call = unwrap(value)
  if (!call) throw fail('is no tensor')
  const reason = UNREADABLE.get(call.class)
  if (reason !== undefined) return reason

  const [pickledStorage, offset, size, stride] = call.args
  const storage = storageFrom(pickledStorage)
  const shape = dimensions(size)
  const strides = dimensions(stride)
  if (!storage || !shape || !strides || !isCount(offset)) throw fail('is described in an unknown way')

  const element = storage.type === 'Untyped' ? dtypeName(call.args[6]) : storage.type
  const dtype = STORAGE_TYPES.get(element) ?? [...STORAGE_TYPES.values()].find((it) => it === element)
  if (dtype === undefined) return element
  const bytesPerElement = BYTES_PER_ELEMENT[dtype]

  const bytes = storageOf(storage.key)
  if (!bytes) throw fail(`lies in storage "${abridged(storage.key)}", which the file does not have`)
  const storedBytes = storage.count * (storage.type === 'Untyped' ? 1 : bytesPerElement)
  if (bytes.size !== storedBytes) {
    throw fail(
      `lies in storage "${abridged(storage.key)}" of ${storedBytes} bytes, but the file has ${bytes.size} there`,
    )
  }

  const count = elementCount(shape)
  if (count === undefined || strides.length !== shape.length) {
    throw fail(`has the impossible shape [${shape.slice(0, 8)}] with strides [${strides.slice(0, 8)}]`)
  }
  const span =
    count === 0 ? 0 : 1 + shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 0)
  const stored = Math.floor(storedBytes / bytesPerElement)
  if (offset + span > stored || (count > stored && count > MAX_REPEATED_ELEMENTS)) {
    throw fail(`of shape [${shape}] at ${offset} needs more than the ${stored} elements of its storage`)
  }

  return {
    dtype,
    shape,
    async read() {
      const values = elementsToFloat32(
        await bytes.read(offset * bytesPerElement, span * bytesPerElement),
        dtype,
      )
      return isContiguous(shape, strides) ? values : gather(values, shape, strides, count)
    },
  }
}

/**
 * The call that makes the tensor itself, without the layers around it: parameters, and subclasses of tensors
 * (`_rebuild_from_type_v2(function, class, arguments, state)`). Source: torch/_utils.py and torch/_tensor.py.
 */
function unwrap(value: PickleValue | undefined): Pick<PickleObject, 'class' | 'args'> | undefined {
  let call: Pick<PickleObject, 'class' | 'args'> | undefined = isKind(value, 'object') ? value : undefined
  // Two layers occur; the bound is for pickles that contain themselves.
  for (let layer = 0; call && layer < 4; layer++) {
    const [first, , third]: readonly (PickleValue | undefined)[] = call.args
    switch (call.class) {
      case 'torch._utils._rebuild_tensor':
      case 'torch._utils._rebuild_tensor_v2':
      case 'torch._utils._rebuild_tensor_v3':
        return call
      case 'torch._utils._rebuild_parameter':
      case 'torch._utils._rebuild_parameter_with_state':
        call = isKind(first, 'object') ? first : undefined
        break
      case 'torch._tensor._rebuild_from_type_v2':
      case 'torch._utils._rebuild_from_type_v2':
        call =
          isKind(first, 'global') && isKind(third, 'tuple')
            ? { class: first.name, args: third.items }
            : undefined
        break
      default:
        return UNREADABLE.has(call.class) ? call : undefined
    }
  }
  return undefined
}

export interface StorageReference {
  /** `Float`, `Half`, … or `Untyped`, whose count is in bytes. */
  readonly type: string
  readonly key: string
  readonly count: number
}

/** Reads the persistent id of a storage: `('storage', torch.FloatStorage, key, device, count)`. */
export function storageFrom(value: PickleValue | undefined): StorageReference | undefined {
  if (!isKind(value, 'persistent') || !isKind(value.id, 'tuple')) return undefined
  const [tag, storageClass, key, , count] = value.id.items
  if (tag !== 'storage' || typeof key !== 'string' || !isCount(count)) return undefined
  const type =
    isKind(storageClass, 'global') && /^torch\.(?:\w+\.)*_?(\w+)Storage$/.exec(storageClass.name)?.[1]
  return type ? { type, key, count } : undefined
}

/** Bytes per element of a storage, also of kinds that cannot be read; undefined where unknown. */
export function storageElementBytes(type: string): number | undefined {
  const dtype = STORAGE_TYPES.get(type)
  return dtype ? BYTES_PER_ELEMENT[dtype] : OTHER_STORAGE_BYTES.get(type)
}

const OTHER_STORAGE_BYTES: ReadonlyMap<string, number> = new Map([
  ['Untyped', 1],
  ['ComplexDouble', 16],
  ['ComplexFloat', 8],
  ['QInt32', 4],
  ['QInt8', 1],
  ['QUInt8', 1],
  ['QUInt4x2', 1],
  ['QUInt2x4', 1],
])

function dtypeName(value: PickleValue | undefined): string {
  return isKind(value, 'global') ? value.name.replace(/^torch\./, '') : 'unknown'
}

/** The numbers of a tuple, list or `torch.Size`; a thousand tensors may share one, so its length is looked at first. */
function dimensions(value: PickleValue | undefined): readonly number[] | undefined {
  if (isKind(value, 'object') && value.class === 'torch.Size') return dimensions(value.args[0])
  if (!isKind(value, 'tuple') && !isKind(value, 'list')) return undefined
  return value.items.length <= MAX_RANK && value.items.every(isCount) ? value.items : undefined
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** Whether the elements lie in row-major order without gaps; axes of one element have no say. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue
    if (strides[axis] !== expected) return false
    expected *= shape[axis]
  }
  return true
}

/** Brings elements that lie at `strides` into row-major order. */
function gather(
  values: Float32Array,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
): Float32Array {
  const result = new Float32Array(count)
  const index = shape.map(() => 0)
  let from = 0
  for (let to = 0; to < count; to++) {
    result[to] = values[from]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]
      index[axis]++
      if (index[axis] < shape[axis]) break
      from -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
  return result
}
