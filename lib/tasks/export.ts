import { rename, rm, writeFile } from 'node:fs/promises'
import { EfficientDetError } from '../errors.js'
import { buildGraph } from '../graph/build.js'
import type { FloatType } from '../graph/builder.js'
import type { Size } from '../models/levels.js'
import type { WeightsOptions } from '../weights/decide.js'
import { readModelFile } from '../weights/model-file.js'

export interface ExportSettings {
  /** Network input; null for the model's native one. */
  readonly size: Size | null
  readonly batch: number | 'dynamic'
  readonly precision: FloatType
  readonly input: FloatType
}

export interface Exported {
  readonly model: string
  readonly size: Size
  /** Of the file. */
  readonly bytes: number
  readonly notes: readonly string[]
}

/** Reads weights and writes the ONNX file of their network, whole or not at all. */
export async function exportModelFile(
  input: string,
  output: string,
  weightsOptions: WeightsOptions,
  { size, ...settings }: ExportSettings,
): Promise<Exported> {
  const { spec, weights, notes } = await readModelFile(input, weightsOptions)
  const { name, inputSize } = spec.architecture.variant
  const inputShape = size ?? { height: inputSize, width: inputSize }
  const graph = buildGraph(spec.architecture, weights, { ...settings, size: inputShape })
  await writeWhole(output, graph)
  return { model: name, size: inputShape, bytes: graph.length, notes }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const partial = `${path}.partial-${process.pid}`
  try {
    await writeFile(partial, bytes)
    await rename(partial, path)
  } catch (cause) {
    // Where even this fails, as below a regular file, the first failure is the one to tell.
    await rm(partial, { force: true }).catch(() => {})
    throw new EfficientDetError('ERR_OUTPUT', `${path} cannot be written (${(cause as Error).message}).`, {
      cause,
    })
  }
}
