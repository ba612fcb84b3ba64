import { join } from 'node:path'

import { type Architecture, officialArchitecture } from '#lib/models/spec.js'
import { type VariantName, variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { openCheckpoint } from '#lib/weights/checkpoint.js'
import { effdet } from '#lib/weights/naming/effdet.js'
import type { Naming } from '#lib/weights/naming/naming.js'
import { writeSafetensors } from '#lib/weights/safetensors/writer.js'
import type { StoredTensor } from '#lib/weights/tensor.js'
import { temporaryFolder } from './checkpoints.js'
import { shared } from './shared.js'

/** A tensor in memory. */
export interface Values {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export type State = ReadonlyMap<string, Values>

/** Names and shapes of a whole network in a trainer's naming, for what looks at nothing else. */
export function tensorsOf(
  name: VariantName,
  naming: Naming = effdet,
  changes: Partial<Architecture> = {},
): Map<string, StoredTensor> {
  const architecture: Architecture = { ...officialArchitecture(variant(name)), ...changes }
  const { inputSize } = architecture.variant
  const { tensors } = inventory(architecture, { height: inputSize, width: inputSize })
  return new Map(
    [...tensors].map(([tensor, shape]) => [naming.nameOf(tensor, architecture.variant), stored(shape)]),
  )
}

/** A tensor of ones that lies nowhere. */
export function stored(shape: readonly number[]): StoredTensor {
  const count = shape.reduce((product, n) => product * n, 1)
  return { dtype: 'float32', shape, read: async () => new Float32Array(count).fill(1) }
}

export function prefixed<T>(tensors: ReadonlyMap<string, T>, prefix: string): Map<string, T> {
  return new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor]))
}

/** Everything in a checkpoint. */
export async function readState(path: string): Promise<Map<string, Values>> {
  const checkpoint = await openCheckpoint(path)
  try {
    const state = new Map<string, Values>()
    for (const [name, tensor] of checkpoint.tensors) {
      state.set(name, { shape: tensor.shape, data: await tensor.read() })
    }
    return state
  } finally {
    await checkpoint.close()
  }
}

let goldenState: Promise<State> | undefined

/** The tensors of the D0 with zylo's names that outputs are known of. */
export function golden(): Promise<State> {
  goldenState ??= readState(shared('data/golden-d0/zylo-d0.pth'))
  return goldenState
}

/** A safetensors file of these tensors, for the time of a test. */
export async function savedState(
  state: State,
  name = 'model.safetensors',
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  const path = join(await temporaryFolder(), name)
  const tensors = [...state].map(([tensor, values]) => ({
    name: tensor,
    dtype: 'float32' as const,
    ...values,
  }))
  await writeSafetensors(path, tensors, metadata)
  return path
}

/** Whether all bits are equal; much faster than a matcher for arrays of this length. */
export function isSame(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  )
}
