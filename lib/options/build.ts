import { MAX_CAPABILITIES, MAX_ENGINE_BATCH } from '../base/limits.js'
import type { BuildProgress } from '../engines/progress.js'
import type { EngineChoices } from '../engines/settings.js'
import type { Size } from '../models/levels.js'
import type { WeightsOptions } from '../weights/decide.js'
import {
  checkDevice,
  checkInteger,
  checkNames,
  checkPath,
  checkSignal,
  checkSize,
  invalidOption,
  type SizeOption,
} from './checks.js'
import { checkEngineOptions, type EngineOptions } from './engine.js'
import { checkWeightsOptions, WEIGHTS_OPTION_NAMES } from './weights.js'

/** What a caller can say about an engine that is built. */
export interface BuildOptions extends WeightsOptions {
  /** Height and width of the input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly inputSize?: SizeOption
  /** Largest batch, 1…64. Defaults to 8. */
  readonly maxBatchSize?: number
  /**
   * Compute capabilities to build for, such as `sm89`; TensorRT-RTX then needs no GPU. Defaults to that of the GPU.
   */
  readonly targets?: readonly string[]
  /** How the engine is built; `load` finds it in the cache by the same. */
  readonly engine?: EngineOptions
  /** Number of the GPU to build for, 0…15, as `efficientdet doctor` lists them. Defaults to 0. */
  readonly device?: number
  /** The folder of TensorRT's libraries. Defaults to where the system looks. */
  readonly libraryPath?: string
  /** Path of the GPU backend's library. Defaults to those beside the addon. */
  readonly backendLibrary?: string
  /** The file to write. Defaults to one in the cache folder, where `EfficientDet.load` finds it too. */
  readonly output?: string
  /** Called with a fraction 0…1, which never falls, and what is done now. */
  readonly onProgress?: BuildProgress
}

export interface BuildSettings {
  readonly weights: WeightsOptions
  readonly inputSize: Size | null
  readonly maxBatchSize: number
  /** As 10·major + minor, rising; empty for the device's own. */
  readonly targets: readonly number[]
  readonly device: number
  readonly libraryPath: string | null
  readonly backendLibrary: string | null
  readonly output: string | null
  readonly engine: EngineChoices
  readonly onProgress: BuildProgress
  readonly signal: AbortSignal | undefined
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkBuildOptions(options: BuildOptions & { signal?: AbortSignal }): BuildSettings {
  checkNames('the build options', options, [
    ...WEIGHTS_OPTION_NAMES,
    'engine',
    'device',
    'libraryPath',
    'inputSize',
    'maxBatchSize',
    'targets',
    'backendLibrary',
    'output',
    'onProgress',
    'signal',
  ])
  const { inputSize, targets, libraryPath, backendLibrary, output, onProgress = () => {} } = options
  if (typeof onProgress !== 'function') throw invalidOption('onProgress', onProgress, 'a function')
  return {
    weights: checkWeightsOptions(options),
    inputSize: inputSize === undefined ? null : checkSize('inputSize', inputSize),
    maxBatchSize: checkInteger('maxBatchSize', options.maxBatchSize ?? 8, 1, MAX_ENGINE_BATCH),
    targets: targets === undefined ? [] : checkTargets(targets),
    device: checkDevice('device', options.device ?? 0),
    libraryPath: libraryPath === undefined ? null : checkPath('libraryPath', libraryPath),
    backendLibrary: backendLibrary === undefined ? null : checkPath('backendLibrary', backendLibrary),
    output: output === undefined ? null : checkPath('output', output),
    engine: checkEngineOptions(options.engine),
    onProgress,
    signal: checkSignal(options.signal),
  }
}

const TARGETS = `a list of compute capabilities such as sm89 or 8.9, ${MAX_CAPABILITIES} at most`

function checkTargets(targets: unknown): number[] {
  if (!Array.isArray(targets) || targets.length === 0 || targets.length > MAX_CAPABILITIES) {
    throw invalidOption('targets', targets, TARGETS)
  }
  const numbers = targets.map((target) => {
    const match = /^(?:sm_?)?(\d{1,2})\.?(\d)$/i.exec(String(target))
    if (match === null) throw invalidOption('a target', target, 'a compute capability such as sm89 or 8.9')
    return Number(match[1] + match[2])
  })
  return [...new Set(numbers)].sort((a, b) => a - b)
}
