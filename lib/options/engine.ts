import {
  ENGINE_PRECISIONS,
  type EngineChoices,
  type EnginePrecision,
  FAMILIES,
  type Family,
  MISMATCH_POLICIES,
  type MismatchPolicy,
} from '../engines/settings.js'
import { byDefault, checkOptions, choice, flag, integer, type OptionsOf } from './option.js'

/** How a TensorRT engine is built, and when it is taken from the cache: the same for loading and building. */
export interface EngineOptions {
  /** Which TensorRT. Defaults to the first that can work here. */
  readonly family?: Family
  /** Type of weights and activations; outputs are float32. Defaults to `fp16`. */
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
   * Whether builds, models on the CPU and reference detections that need more memory than is free, by an estimate,
   * are refused or left out. Defaults to true.
   */
  readonly checkMemory?: boolean
  /**
   * Whether an engine is tested at its first load on a machine, in all contexts and batch sizes, and refused if it
   * answers wrongly. Defaults to true.
   *
   * When it is built, whether it gets the CPU backend's detections as a reference.
   */
  readonly selfTest?: boolean
  /**
   * Whether a version-compatible engine may be loaded: its TensorRT runtime is code that runs in this process with
   * all of its rights. Defaults to false.
   */
  readonly allowHostCode?: boolean
}

export const ENGINE_OPTIONS = {
  family: choice('which TensorRT', FAMILIES, byDefault(null, 'the first that works here')),
  precision: choice('type of weights and activations', ENGINE_PRECISIONS, byDefault('fp16')),
  workspace: integer(
    'megabytes of scratch memory that layers may use',
    1,
    1_000_000,
    byDefault(null, "TensorRT's choice"),
  ),
  optimisationLevel: integer(
    '0 to 5: how long to look for fast kernels',
    0,
    5,
    byDefault(null, "TensorRT's choice"),
  ),
  versionCompatible: flag('run with later versions of TensorRT too, of the same major one', false),
  hardwareCompatible: flag('run on other GPUs too, from Ampere on', false),
  onMismatch: choice(
    'what becomes of a damaged or foreign file in the cache',
    MISMATCH_POLICIES,
    byDefault('rebuild'),
  ),
  checkMemory: flag('refuse what needs more memory than is free', true),
  selfTest: flag('compare the engine with reference detections when it is loaded for the first time', true),
  allowHostCode: flag('load version-compatible engines, which bring code for this machine too', false),
} satisfies OptionsOf<EngineOptions>

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkEngineOptions(options?: EngineOptions): EngineChoices {
  const { workspace, optimisationLevel, ...choices } = checkOptions('engine', options, ENGINE_OPTIONS, {
    prefix: 'engine.',
  })
  return {
    ...choices,
    workspaceBytes: 1e6 * (workspace ?? 0),
    optimisationLevel: optimisationLevel ?? -1,
  }
}
