import { createHash } from 'node:crypto'
import type { WeightsOptions } from '../weights/decide.js'
import { type ExportSettings, graphOfModelFile, type ModelGraph } from './export.js'

/** A graph that an engine may be built from, or found by. */
export interface HashedGraph extends ModelGraph {
  /** SHA-256 of `onnx`, hexadecimal. */
  readonly sha256: string
}

/** Reads weights, makes the ONNX file of their network, and hashes it: a second's work for a large one. */
export async function hashedGraph(
  input: string,
  weights: WeightsOptions,
  settings: ExportSettings,
): Promise<HashedGraph> {
  const graph = await graphOfModelFile(input, weights, settings)
  return { ...graph, sha256: createHash('sha256').update(graph.onnx).digest('hex') }
}
