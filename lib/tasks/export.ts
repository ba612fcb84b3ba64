import { type StagedFile, writeFileAtomically } from '../base/atomic-write.js'
import { buildGraph } from '../graph/build.js'
import type { GraphPrecision } from '../graph/onnx.js'
import { anchorBoxes } from '../models/anchors.js'
import type { Size } from '../models/levels.js'
import type { ModelSpec } from '../models/spec.js'
import { nativeInput, type VariantName } from '../models/variants.js'
import type { WeightsOptions } from '../weights/decide.js'
import { readModelFile } from '../weights/model-file.js'

export interface ExportSettings {
  /** Network input; null for the model's native one. */
  readonly inputSize: Size | null
  readonly batch: number | 'dynamic'
  readonly precision: GraphPrecision
  readonly input: GraphPrecision
  /** Most detections per picture of a last node that finds them; none without. */
  readonly detections?: number
}

export interface Exported {
  readonly variant: VariantName
  readonly inputSize: Size
  /** Length of the file. */
  readonly bytes: number
  readonly notes: readonly string[]
}

/** A network as an ONNX file, and all that the file does not say. */
export interface ModelGraph {
  readonly spec: ModelSpec
  readonly inputSize: Size
  readonly notes: readonly string[]
  readonly onnx: Uint8Array
}

/**
 * Reads weights and makes the ONNX file of their network.
 *
 * @param onRead called in between
 */
export async function graphOfModelFile(
  input: string,
  weightsOptions: WeightsOptions,
  { inputSize: wanted, detections: capacity, ...settings }: ExportSettings,
  onRead: () => void = () => {},
): Promise<ModelGraph> {
  const { spec, weights, notes } = await readModelFile(input, weightsOptions)
  onRead()
  const { variant } = spec.architecture
  const inputSize = wanted ?? nativeInput(variant)
  const detections =
    capacity === undefined
      ? {}
      : { detections: { capacity, anchors: anchorBoxes(inputSize, variant.maxLevel, spec.anchors) } }
  const onnx = buildGraph(spec.architecture, weights, { ...settings, inputSize, ...detections })
  return { spec, inputSize, notes, onnx }
}

/** Reads weights and writes the ONNX file of their network, whole or not at all. */
export async function exportModelFile(
  input: string,
  output: string | StagedFile,
  weightsOptions: WeightsOptions,
  settings: ExportSettings,
): Promise<Exported> {
  const { spec, inputSize, notes, onnx } = await graphOfModelFile(input, weightsOptions, settings)
  await writeFileAtomically(output, [onnx])
  return { variant: spec.architecture.variant.name, inputSize, bytes: onnx.length, notes }
}
