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

/** One state dict of a file. */
export interface StoredState {
  /** Where it lies in the file, such as `state_dict`; empty for the whole. */
  readonly name: string
  /** Tensors by their names, in file order. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** What else the state dict holds, and why its values cannot be had, such as `quantized`. */
  readonly unreadable: ReadonlyMap<string, string>
  /** What a person should know: which of several state dicts this is, what was ignored. */
  readonly notes: readonly string[]
  /** The model's name that a trainer (timm) stored beside its weights, such as `tf_efficientdet_d0`. */
  readonly arch?: string
}

/** An opened weights file of any format, with the likeliest of its state dicts. */
export interface Checkpoint extends StoredState {
  readonly format: 'pytorch-zip' | 'pytorch-legacy' | 'safetensors'
  /** Opens its other state dicts, the likelier first. */
  readonly others: readonly (() => StoredState)[]
  /** safetensors' `__metadata__`; empty for PyTorch files. */
  readonly metadata: Readonly<Record<string, string>>
  close(): Promise<void>
}

/** The notes on tensors whose values cannot be had. */
export function unreadableNotes(unreadable: StoredState['unreadable']): string[] {
  if (unreadable.size === 0) return []
  const names = [...unreadable].map(([name, reason]) => `${name} (${reason})`)
  return [`Left out, as they cannot be read: ${listing(names)}.`]
}
