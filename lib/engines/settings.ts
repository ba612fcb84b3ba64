/** TensorRT's families, as the native libraries name themselves; TensorRT-RTX is for GeForce and RTX cards. */
export const FAMILIES = ['tensorrt10', 'tensorrt11', 'tensorrt-rtx'] as const
export type Family = (typeof FAMILIES)[number]

/**
 * How an engine computes. `fp32`, `fp16`, `bf16`: weights and activations are of this type. `tf32`: they are float32,
 * and products may be rounded to TF32's 10 bits.
 */
export const ENGINE_PRECISIONS = ['fp32', 'tf32', 'fp16', 'bf16'] as const
export type EnginePrecision = (typeof ENGINE_PRECISIONS)[number]

/** The choices that decide a plan, beside the graph and what it is built for. */
export interface EngineSettings {
  readonly precision: EnginePrecision
  /** Largest batch it takes. */
  readonly maxBatchSize: number
  /** Bytes of scratch memory that layers may use; 0 left it to the library. */
  readonly workspaceBytes: number
  /** 0…5; −1 left it to the library. */
  readonly optimisationLevel: number
  readonly versionCompatible: boolean
  readonly hardwareCompatible: boolean
}

/** What to do about a file in the cache that is damaged, or not what its name says. */
export const MISMATCH_POLICIES = ['rebuild', 'refuse'] as const
export type MismatchPolicy = (typeof MISMATCH_POLICIES)[number]

/** EngineOptions with nothing left open. */
export interface EngineChoices {
  readonly family: Family | null
  readonly precision: EnginePrecision
  /** 0 leaves it to TensorRT. */
  readonly workspaceBytes: number
  /** −1 leaves it to TensorRT. */
  readonly optimisationLevel: number
  readonly versionCompatible: boolean
  readonly hardwareCompatible: boolean
  readonly onMismatch: MismatchPolicy
  readonly checkMemory: boolean
  readonly selfTest: boolean
  readonly allowHostCode: boolean
}
