import { isRecord } from '../models/guards.js'

/** One layer of an engine, as TensorRT's inspector reports it. */
export interface EngineLayer {
  readonly name: string
  /** Type of its first output, such as `fp16`; null where the inspector does not say. */
  readonly precision: string | null
}

const PRECISION_OF: readonly (readonly [RegExp, string])[] = [
  [/\b(BF16|BFloat16)\b/i, 'bf16'],
  [/\b(FP16|Half)\b/i, 'fp16'],
  [/\b(FP32|Float)\b/i, 'fp32'],
  [/\b(FP8|FP4|Int8|Int32|Int64|Bool|Int4)\b/i, ''],
]

/**
 * Reads the inspector's JSON: `Layers` is a list of objects where the engine was built with detailed verbosity, of
 * names elsewhere. What cannot be read is no layers.
 */
export function layersOf(json: string): EngineLayer[] {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return []
  }
  if (!isRecord(value) || !Array.isArray(value.Layers)) return []
  return value.Layers.map((layer: unknown) => {
    if (!isRecord(layer)) return { name: String(layer), precision: null }
    const [output] = Array.isArray(layer.Outputs) ? (layer.Outputs as unknown[]) : []
    const type = isRecord(output) ? output['Format/Datatype'] : undefined
    return { name: String(layer.Name), precision: typeof type === 'string' ? precisionOf(type) : null }
  })
}

/** `Row major linear FP32`, `Half` and the like. */
function precisionOf(type: string): string | null {
  for (const [pattern, name] of PRECISION_OF) {
    const match = pattern.exec(type)
    if (match !== null) return name || match[1].toLowerCase()
  }
  return null
}
