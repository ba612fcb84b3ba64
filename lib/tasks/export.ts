import { type StagedFile, writeFileAtomically } from '../base/atomic-write.js'
import { buildGraph } from '../graph/build.js'
import type { GraphPrecision } from '../graph/onnx.js'
import type { Weights } from '../graph/onnx-layers.js'
import { anchorBoxes } from '../models/anchors.js'
import type { Size } from '../models/levels.js'
import type { Architecture, ModelSpec } from '../models/spec.js'
import { nativeInput, type VariantName } from '../models/variants.js'
import type { Question, WeightsOptions } from '../weights/decide.js'
import { readModelFile, readNetwork } from '../weights/model-file.js'

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
  settings: ExportSettings,
  onRead: () => void = () => {},
): Promise<ModelGraph> {
  const { spec, weights, notes } = await readModelFile(input, weightsOptions)
  onRead()
  const inputSize = settings.inputSize ?? nativeInput(spec.architecture.variant)
  return { spec, inputSize, notes, onnx: graphOf(spec.architecture, spec, weights, inputSize, settings) }
}

function graphOf(
  architecture: Architecture,
  spec: ModelSpec | null,
  weights: Weights,
  inputSize: Size,
  { detections: capacity, batch, precision, input }: ExportSettings,
): Uint8Array {
  const settings = { inputSize, batch, precision, input }
  if (capacity === undefined) return buildGraph(architecture, weights, settings)
  const anchors = anchorBoxes(inputSize, architecture.variant.maxLevel, spec!.anchors)
  return buildGraph(architecture, weights, { ...settings, detections: { capacity, anchors } })
}

/**
 * Reads weights and writes the ONNX file of their network, whole or not at all. What is open about the model is asked
 * only where the graph depends on it: the variant without an input size, everything with anchors inside.
 */
export async function exportModelFile(
  input: string,
  output: string | StagedFile,
  weightsOptions: WeightsOptions,
  settings: ExportSettings,
): Promise<Exported> {
  const asked: Question['option'][] = settings.inputSize === null ? ['variant'] : []
  if (settings.detections !== undefined) asked.push('variant', 'anchors')
  const { architecture, spec, weights, notes } = await readNetwork(input, weightsOptions, asked)
  const inputSize = settings.inputSize ?? nativeInput(architecture.variant)
  const onnx = graphOf(architecture, spec, weights, inputSize, settings)
  await writeFileAtomically(output, [onnx])
  return { variant: architecture.variant.name, inputSize, bytes: onnx.length, notes }
}
