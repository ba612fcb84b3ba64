import {
  ENGINE_PRECISIONS,
  type EngineChoices,
  type EnginePrecision,
  FAMILIES,
  type Family,
  MISMATCH_POLICIES,
  type MismatchPolicy,
} from '../engines/settings.js'
import { checkInteger, checkNames, checkOneOf, invalidOption } from './checks.js'

/** How a TensorRT engine is built, and when it is taken from the cache: the same for loading and building. */
export interface EngineOptions {
  /** Which TensorRT. Defaults to the first that can work here. */
  readonly family?: Family
  /** Of weights and activations; outputs are float32. Defaults to `fp16`. */
  readonly precision?: EnginePrecision
  /** Megabytes (10⁶ bytes) of scratch memory that layers may use, 1…1000000. Defaults to what TensorRT finds right. */
  readonly workspace?: number
  /** 0…5: how long TensorRT looks for fast kernels, and how much memory it takes for that. Defaults to TensorRT's. */
  readonly optimisationLevel?: number
  /** Whether the engine shall run with later versions of TensorRT, of the same major version. Defaults to false. */
  readonly versionCompatible?: boolean
  /** Whether the engine shall run on other GPUs of the Ampere generation and later. Defaults to false. */
  readonly hardwareCompatible?: boolean
  /** What becomes of a file in the cache that is damaged or of something else: `rebuild`, the default, or `refuse`. */
  readonly onMismatch?: MismatchPolicy
  /**
   * Whether a build, or a model on the CPU, is refused that needs more memory than is free, by an estimate, and the
   * self-test's answers are left out that do. Defaults to true.
   */
  readonly checkMemory?: boolean
  /**
   * Whether an engine is tested when it is loaded for the first time on a machine, in every context and with every batch
   * size, and refused if it answers wrongly; when it is built, whether it gets the CPU backend's answers to be compared
   * with. Defaults to true.
   */
  readonly selfTest?: boolean
}

export const ENGINE_OPTION_NAMES = [
  'family',
  'precision',
  'workspace',
  'optimisationLevel',
  'versionCompatible',
  'hardwareCompatible',
  'onMismatch',
  'checkMemory',
  'selfTest',
] as const

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkEngineOptions(options: EngineOptions = {}): EngineChoices {
  checkNames('engine', options, ENGINE_OPTION_NAMES)
  const { family, workspace, optimisationLevel } = options
  return {
    family: family === undefined ? null : checkOneOf('engine.family', family, FAMILIES),
    precision: checkOneOf('engine.precision', options.precision ?? 'fp16', ENGINE_PRECISIONS),
    workspaceBytes:
      workspace === undefined ? 0 : 1e6 * checkInteger('engine.workspace', workspace, 1, 1_000_000),
    optimisationLevel:
      optimisationLevel === undefined
        ? -1
        : checkInteger('engine.optimisationLevel', optimisationLevel, 0, 5),
    versionCompatible: checkFlag('engine.versionCompatible', options.versionCompatible ?? false),
    hardwareCompatible: checkFlag('engine.hardwareCompatible', options.hardwareCompatible ?? false),
    onMismatch: checkOneOf('engine.onMismatch', options.onMismatch ?? 'rebuild', MISMATCH_POLICIES),
    checkMemory: checkFlag('engine.checkMemory', options.checkMemory ?? true),
    selfTest: checkFlag('engine.selfTest', options.selfTest ?? true),
  }
}

function checkFlag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalidOption(name, value, 'true or false')
}
