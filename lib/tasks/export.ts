import { type StagedFile, writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { buildGraph } from '../graph/build.js'
import type { HeadLayout } from '../graph/head-outputs.js'
import type { GraphPrecision } from '../graph/onnx.js'
import type { Weights } from '../graph/onnx-layers.js'
import { anchorBoxes } from '../models/anchors.js'
import { excessOf } from '../models/budget.js'
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
  /** `joined` without. */
  readonly heads?: HeadLayout
  /** Most detections per image of a last node that finds them; none without. */
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
 * @param onRead called in between, and awaited: what it throws ends it
 */
export async function graphOfModelFile(
  input: string,
  weightsOptions: WeightsOptions,
  settings: ExportSettings,
  onRead: (model: Pick<ModelGraph, 'spec' | 'inputSize'>) => void | Promise<void> = () => {},
): Promise<ModelGraph> {
  const { spec, weights, notes } = await readModelFile(input, weightsOptions)
  const inputSize = inputSizeOf(spec.architecture, settings)
  await onRead({ spec, inputSize })
  return { spec, inputSize, notes, onnx: graphOf(spec.architecture, spec, weights, inputSize, settings) }
}

/** @throws EfficientDetError ERR_INVALID_OPTION, ERR_WEIGHTS where it is beyond all limits */
function inputSizeOf(architecture: Architecture, { inputSize: wanted }: ExportSettings): Size {
  const inputSize = wanted ?? nativeInput(architecture.variant)
  const excess = excessOf(architecture, inputSize)
  if (excess === null) return inputSize
  throw new EfficientDetError(
    wanted === null ? 'ERR_WEIGHTS' : 'ERR_INVALID_OPTION',
    `The model would have ${excess}. Give a smaller inputSize, or weights for fewer classes.`,
  )
}

function graphOf(
  architecture: Architecture,
  spec: ModelSpec | null,
  weights: Weights,
  inputSize: Size,
  { detections: capacity, batch, precision, input, heads }: ExportSettings,
): Uint8Array {
  const settings = { inputSize, batch, precision, input, ...(heads !== undefined && { heads }) }
  if (capacity === undefined) return buildGraph(architecture, weights, settings)
  const anchors = anchorBoxes(inputSize, architecture.variant.maxLevel, spec!.anchors)
  return buildGraph(architecture, weights, { ...settings, detections: { capacity, anchors } })
}

/**
 * Reads weights and writes their network's ONNX file, whole or not at all. Asks only what the graph depends on: the
 * variant without an input size, all with anchors.
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
  const inputSize = inputSizeOf(architecture, settings)
  const onnx = graphOf(architecture, spec, weights, inputSize, settings)
  await writeFileAtomically(output, [onnx])
  return { variant: architecture.variant.name, inputSize, bytes: onnx.length, notes }
}
