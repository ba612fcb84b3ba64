import { jsonExtent } from '../base/json.js'
import {
  MAX_CAPABILITIES,
  MAX_CAPABILITY,
  MAX_CLASSES,
  MAX_ENGINE_BATCH,
  MAX_ENGINE_HEADER_VALUES,
  MAX_FACT_LETTERS,
  MAX_INPUT_SIDE,
  MAX_NOTE_LETTERS,
  MAX_NOTES,
  MAX_WORKSPACE,
} from '../base/limits.js'
import { anchorsPerCell } from '../models/anchors.js'
import { excessOf } from '../models/budget.js'
import {
  isAnchors,
  isLabels,
  isPadding,
  isPreprocessing,
  isRecord,
  isText,
  isTexts,
} from '../models/guards.js'
import type { Size } from '../models/levels.js'
import type { ModelSpec } from '../models/spec.js'
import { isVariantName, variant } from '../models/variants.js'
import type { DetectionArrays } from '../postprocess/detections.js'
import {
  isReferenceDetectionsJson,
  referenceDetectionsFromJson,
  referenceDetectionsToJson,
} from './self-test/reference-detections.js'
import { ENGINE_PRECISIONS, type EngineSettings } from './settings.js'

/** What built an engine, and for which GPUs. */
export interface EngineTarget {
  /** TensorRT's, such as `tensorrt10`. */
  readonly family: string
  /** Version of TensorRT, such as `10.15.1`. */
  readonly libraryVersion: string
  /** Version of the CUDA runtime within the backend, such as `13.0`. */
  readonly cudaVersion: string
  /** System and processor, such as `linux-x64`. */
  readonly platform: string
  /** The GPU it was built on; null for one built for compute capabilities. */
  readonly gpu: string | null
  /** As 10·major + minor, ascending. */
  readonly computeCapabilities: readonly number[]
}

/** Everything about an engine but its plan: with it the file runs, and no weights are needed. */
export interface EngineHeader {
  /** Version of this package that built it. */
  readonly packageVersion: string
  readonly target: EngineTarget
  readonly settings: EngineSettings
  /** SHA-256 of the ONNX file it was built from, hexadecimal. */
  readonly graph: string
  readonly spec: ModelSpec
  /** Network input. */
  readonly inputSize: Size
  /** What was assumed about the weights. */
  readonly notes: readonly string[]
  /** What the CPU backend finds in the self-test's images; null where it was not asked, or could not run. */
  readonly referenceDetections: readonly DetectionArrays[] | null
}

/** What is known of an engine before it is built. */
export type EngineRecipe = Omit<EngineHeader, 'referenceDetections'>

/** The header as JSON: the variant is its name, reference detections are rounded, all else is as it is. */
export function headerToJson({ spec, notes, referenceDetections, ...header }: EngineHeader): string {
  const { variant, ...architecture } = spec.architecture
  return JSON.stringify({
    ...header,
    // Names from weights files may be long, and stand in notes.
    notes: notes.slice(0, MAX_NOTES).map((note) => note.slice(0, MAX_NOTE_LETTERS)),
    spec: { ...spec, architecture: { variant: variant.name, ...architecture } },
    referenceDetections: referenceDetections && referenceDetectionsToJson(referenceDetections),
  })
}

/** Objects and lists within each other: header, spec, anchors, ratios, one of them. */
const MAX_DEPTH = 5

/** Reads it back; null where anything is not as it must be, or beyond what options may ask for. */
export function headerFromJson(json: Uint8Array): EngineHeader | null {
  const { values, depth } = jsonExtent(json)
  if (values > MAX_ENGINE_HEADER_VALUES || depth > MAX_DEPTH) return null
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(json))
  } catch {
    return null
  }
  if (!isRecord(value)) return null
  const { packageVersion, target, settings, graph, inputSize, notes, referenceDetections } = value
  const spec = specFrom(value.spec)
  const isWhole =
    isText(packageVersion, MAX_FACT_LETTERS) &&
    isTarget(target) &&
    isSettings(settings) &&
    typeof graph === 'string' &&
    /^[0-9a-f]{64}$/.test(graph) &&
    isSize(inputSize) &&
    isTexts(notes, MAX_NOTES, MAX_NOTE_LETTERS)
  if (!isWhole || spec === null || excessOf(spec.architecture, inputSize) !== null) return null
  const recipe = { packageVersion, target, settings, graph, spec, inputSize, notes }
  if (referenceDetections === null) return { ...recipe, referenceDetections }
  const isRight = isReferenceDetectionsJson(referenceDetections, spec.architecture.classes)
  return isRight ? { ...recipe, referenceDetections: referenceDetectionsFromJson(referenceDetections) } : null
}

function specFrom(value: unknown): ModelSpec | null {
  if (!isRecord(value) || !isRecord(value.architecture)) return null
  const { anchors, preprocessing, labels } = value
  const { variant: name, classes, anchorsPerCell: perCell, redundantBias, padding } = value.architecture
  if (
    typeof name !== 'string' ||
    !isVariantName(name) ||
    !isCount(classes, MAX_CLASSES) ||
    typeof redundantBias !== 'boolean' ||
    !isPadding(padding) ||
    !isAnchors(anchors) ||
    anchorsPerCell(anchors) !== perCell ||
    !isPreprocessing(preprocessing) ||
    !isLabels(labels) ||
    (labels !== null && labels.length !== classes)
  ) {
    return null
  }
  const architecture = { variant: variant(name), classes, anchorsPerCell: perCell, redundantBias, padding }
  return { architecture, anchors, preprocessing, labels }
}

function isTarget(value: unknown): value is EngineTarget {
  return (
    isRecord(value) &&
    [value.family, value.libraryVersion, value.cudaVersion, value.platform].every((text) =>
      isText(text, MAX_FACT_LETTERS),
    ) &&
    (value.gpu === null || isText(value.gpu, MAX_FACT_LETTERS)) &&
    Array.isArray(value.computeCapabilities) &&
    value.computeCapabilities.length <= MAX_CAPABILITIES &&
    value.computeCapabilities.every((capability) => isCount(capability, MAX_CAPABILITY))
  )
}

function isSettings(value: unknown): value is EngineSettings {
  return (
    isRecord(value) &&
    (ENGINE_PRECISIONS as readonly unknown[]).includes(value.precision) &&
    isCount(value.maxBatchSize, MAX_ENGINE_BATCH) &&
    (value.workspaceBytes === 0 || isCount(value.workspaceBytes, MAX_WORKSPACE)) &&
    (value.optimisationLevel === -1 ||
      value.optimisationLevel === 0 ||
      isCount(value.optimisationLevel, 5)) &&
    typeof value.versionCompatible === 'boolean' &&
    typeof value.hardwareCompatible === 'boolean'
  )
}

function isSize(value: unknown): value is Size {
  return isRecord(value) && isCount(value.height, MAX_INPUT_SIDE) && isCount(value.width, MAX_INPUT_SIDE)
}

/** A whole number of 1 or more. */
function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= most
}
