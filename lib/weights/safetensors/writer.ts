import { type StagedFile, writeFileAtomically } from '../../base/atomic-write.js'
import { float32ToFloat16 } from '../../base/float16.js'
import { elementCount } from '../elements.js'
import { BYTES_PER_ELEMENT } from '../tensor.js'
import { weightsError } from '../weights-file.js'

/** A tensor in memory, with the type it is to have in the file. */
export interface WritableTensor {
  readonly name: string
  readonly dtype: 'float32' | 'float16'
  readonly shape: readonly number[]
  /** In row-major order. */
  readonly data: Float32Array
}

/**
 * Writes a safetensors file, complete or absent at any time: it is written beside, then renamed.
 *
 * The bytes depend on the tensors alone, not on their order: float32 before float16, for alignment, each sorted by
 * name, as the reference implementation does.
 *
 * @throws ERR_WEIGHTS when a name occurs twice or the data do not fill their shape; ERR_OUTPUT when the file cannot
 *   be written.
 */
export async function writeSafetensors(
  output: string | StagedFile,
  tensors: Iterable<WritableTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = [...tensors].sort((a, b) =>
    a.dtype === b.dtype ? compare(a.name, b.name) : compare(b.dtype, a.dtype),
  )
  const header = headerOf(typeof output === 'string' ? output : output.path, sorted, metadata)
  await writeFileAtomically(output, partsOf(header, sorted))
}

function* partsOf(header: Uint8Array, tensors: readonly WritableTensor[]): Generator<Uint8Array> {
  yield header
  for (const { dtype, data } of tensors) {
    const stored = dtype === 'float16' ? float32ToFloat16(data) : data
    yield new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength)
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
