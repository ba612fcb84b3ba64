import { MAX_CAPABILITIES } from '../base/limits.js'
import { isEnginePath } from '../engines/engine-file.js'
import type { BuildProgress } from '../engines/progress.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkPath, invalidOption, type SizeOption } from './checks.js'
import {
  BACKEND_LIBRARY,
  DEVICE,
  ENGINE,
  INPUT_SIZE,
  LIBRARY_PATH,
  MAX_BATCH_SIZE,
  SIGNAL,
} from './common.js'
import type { EngineOptions } from './engine.js'
import { byDefault, callback, checkOptions, type OptionsOf, other, path, type Settings } from './option.js'
import { checkWeightsOptions, WEIGHTS_OPTIONS } from './weights.js'

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
  readonly signal?: AbortSignal
}

export const BUILD_OPTIONS = {
  inputSize: INPUT_SIZE,
  maxBatchSize: MAX_BATCH_SIZE,
  targets: other(
    'compute capabilities to build for, such as sm89,sm120 (RTX)',
    checkTargets,
    byDefault([], "the GPU's own"),
  ),
  engine: ENGINE,
  device: DEVICE,
  libraryPath: LIBRARY_PATH,
  backendLibrary: BACKEND_LIBRARY,
  output: { ...path('the engine file to write', 'one in the cache folder'), check: checkOutput },
  onProgress: callback<BuildProgress>('called with how far a build is'),
  signal: SIGNAL,
} satisfies OptionsOf<Omit<BuildOptions, keyof WeightsOptions>>

/** `targets` as 10·major + minor, ascending; empty for the device's own. */
export interface BuildSettings extends Settings<typeof BUILD_OPTIONS> {
  readonly weights: WeightsOptions
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkBuildOptions(options: BuildOptions): BuildSettings {
  const further = Object.keys(WEIGHTS_OPTIONS)
  const settings = checkOptions('the build options', options, BUILD_OPTIONS, { further })
  return { ...settings, weights: checkWeightsOptions(options) }
}

/** A name by which `load` knows that an engine is asked for. */
function checkOutput(name: string, output: unknown): string {
  const path = checkPath(name, output)
  if (isEnginePath(path)) return path
  throw invalidOption(name, output, 'a path that ends with .engine')
}

const TARGETS = `a list of compute capabilities such as sm89 or 8.9, ${MAX_CAPABILITIES} at most`

function checkTargets(name: string, targets: unknown): readonly number[] {
  if (!Array.isArray(targets) || targets.length === 0 || targets.length > MAX_CAPABILITIES) {
    throw invalidOption(name, targets, TARGETS)
  }
  const numbers = targets.map((target) => {
    const match = /^(?:sm_?)?(\d{1,2})\.?(\d)$/i.exec(String(target))
    if (match === null) throw invalidOption('a target', target, 'a compute capability such as sm89 or 8.9')
    return Number(match[1] + match[2])
  })
  return [...new Set(numbers)].sort((a, b) => a - b)
}
