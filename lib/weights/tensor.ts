import { listing } from '../base/listing.js'

/** Element types that checkpoints hold. */
export type DType =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool'

export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
}

/** A tensor that still lies in its file: nothing is read before `read()`. */
export interface StoredTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** The values in row-major order, as float32 (float64 is rounded, the others convert exactly). */
  read(): Promise<Float32Array>
}

/** Tensors by name; in the place of one whose values cannot be had, why. */
export type Tensors = ReadonlyMap<string, StoredTensor | string>

/** An opened weights file of any format. */
export interface Checkpoint {
  readonly format: 'pytorch-zip' | 'pytorch-legacy' | 'safetensors'
  /** Tensors by their names in the file, in file order, of the state dict that was chosen. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** What else the state dict holds, and why its values cannot be had, such as `quantized`. */
  readonly unreadable: ReadonlyMap<string, string>
  /** safetensors' `__metadata__`; empty for PyTorch files. */
  readonly metadata: Readonly<Record<string, string>>
  /** What a person should know: which of several state dicts was taken, what was ignored. */
  readonly notes: readonly string[]
  close(): Promise<void>
}

/** The notes on tensors whose values cannot be had. */
export function unreadableNotes(unreadable: Checkpoint['unreadable']): string[] {
  if (unreadable.size === 0) return []
  const names = [...unreadable].map(([name, reason]) => `${name} (${reason})`)
  return [`Left out, as they cannot be read: ${listing(names)}.`]
}
