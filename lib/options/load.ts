import { totalmem } from 'node:os'
import { BACKEND_NAMES, type BackendName, type LoadStage } from '../backends/backend.js'
import { availableProcessors } from '../base/available-processors.js'
import { groupLimits } from '../base/control-groups.js'
import { MAX_ENGINE_BATCH } from '../base/limits.js'
import type { EngineChoices } from '../engines/settings.js'
import type { Size } from '../models/levels.js'
import type { WeightsOptions } from '../weights/decide.js'
import {
  checkDevice,
  checkInteger,
  checkNames,
  checkNumber,
  checkOneOf,
  checkPath,
  checkSignal,
  checkSize,
  invalidOption,
  type SizeOption,
} from './checks.js'
import { checkEngineOptions, type EngineOptions } from './engine.js'
import { checkWeightsOptions, WEIGHTS_OPTION_NAMES } from './weights.js'

/** What a caller can choose about a detector. */
export interface LoadOptions extends WeightsOptions {
  /** `auto`, the default, takes the fastest that can run here. */
  readonly backend?: BackendName | 'auto'
  /** Height and width of the network's input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly inputSize?: SizeOption
  /** Threads of computation on the CPU, 1…256. Defaults to what the machine has. */
  readonly threads?: number
  /** Frames that a GPU works on together, 1…64. Defaults to 8. */
  readonly maxBatchSize?: number
  /** Milliseconds for which a batch waits for more frames while several callers are there, 0…1000. Defaults to 2. */
  readonly maxBatchDelay?: number
  /** Milliseconds after which a call that a GPU backend does not answer is given up, 1…3600000. Defaults to 60000. */
  readonly inferenceDeadline?: number
  /** Path of the GPU backend's library. Defaults to those beside the addon. */
  readonly backendLibrary?: string
  /** The folder of TensorRT's libraries. Defaults to where the system looks. */
  readonly libraryPath?: string
  /** How TensorRT's engine is built; for an engine file only `selfTest` counts. */
  readonly engine?: EngineOptions
  /** Number of the GPU, 0…15, as `efficientdet doctor` lists them; a list of several share the calls. Defaults to 0. */
  readonly device?: number | readonly number[]
  /** Batches that each GPU works on at the same time, so that copies and computation overlap; 1…8. Defaults to 2. */
  readonly contexts?: number
  /** Calls that are worked on or wait inside, each with its picture in memory; 1…10000. Defaults to 16. */
  readonly maxPending?: number
  /**
   * Bytes of the images of these calls, decoded: an image waits until those before it leave room for it; one that is
   * larger runs alone. Compressed files and the copies of what is worked on come on top. Defaults to 512 MiB, or an
   * eighth of what the machine has or the container leaves, where that is less.
   */
  readonly maxPendingBytes?: number
  /** What `detect` does when `maxPending` or `maxPendingBytes` is reached: wait (the default), or reject with ERR_QUEUE_FULL. */
  readonly whenFull?: 'wait' | 'reject'
  /** Pictures of more pixels are refused. Defaults to 268402689, which is 16383². */
  readonly maxPixels?: number
  /** Ends loading. */
  readonly signal?: AbortSignal
  /** Called when a stage of loading begins (fraction 0) and, where that is known, as it goes on (up to 1). */
  readonly onProgress?: (progress: { readonly stage: LoadStage; readonly fraction: number }) => void
}

export const DEFAULT_MAX_PIXELS = 16383 ** 2

export interface LoadSettings {
  readonly backend: BackendName | 'auto'
  readonly weights: WeightsOptions
  readonly inputSize: Size | null
  readonly threads: number
  readonly maxBatchSize: number
  readonly maxBatchDelay: number
  readonly inferenceDeadline: number
  readonly backendLibrary: string | null
  readonly libraryPath: string | null
  readonly engine: EngineChoices
  /** One or more, each once. */
  readonly devices: readonly number[]
  readonly contexts: number
  readonly maxPending: number
  readonly maxPendingBytes: number
  readonly whenFull: 'wait' | 'reject'
  readonly maxPixels: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: NonNullable<LoadOptions['onProgress']>
}

const NAMES = [
  ...WEIGHTS_OPTION_NAMES,
  'backend',
  'inputSize',
  'threads',
  'maxBatchSize',
  'maxBatchDelay',
  'inferenceDeadline',
  'backendLibrary',
  'libraryPath',
  'engine',
  'device',
  'contexts',
  'maxPending',
  'maxPendingBytes',
  'whenFull',
  'maxPixels',
  'signal',
  'onProgress',
]

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkLoadOptions(options: LoadOptions): LoadSettings {
  checkNames('the load options', options, NAMES)
  const { inputSize, backendLibrary, libraryPath, onProgress = () => {} } = options
  if (typeof onProgress !== 'function') throw invalidOption('onProgress', onProgress, 'a function')
  return {
    backend: checkOneOf('backend', options.backend ?? 'auto', ['auto', ...BACKEND_NAMES]),
    weights: checkWeightsOptions(options),
    inputSize: inputSize === undefined ? null : checkSize('inputSize', inputSize),
    threads: checkInteger('threads', options.threads ?? availableProcessors(), 1, 256),
    maxBatchSize: checkInteger('maxBatchSize', options.maxBatchSize ?? 8, 1, MAX_ENGINE_BATCH),
    maxBatchDelay: checkNumber('maxBatchDelay', options.maxBatchDelay ?? 2, 0, 1000),
    inferenceDeadline: checkInteger('inferenceDeadline', options.inferenceDeadline ?? 60_000, 1, 3_600_000),
    backendLibrary: backendLibrary === undefined ? null : checkPath('backendLibrary', backendLibrary),
    libraryPath: libraryPath === undefined ? null : checkPath('libraryPath', libraryPath),
    engine: checkEngineOptions(options.engine),
    devices: checkDevices(options.device ?? 0),
    contexts: checkInteger('contexts', options.contexts ?? 2, 1, 8),
    maxPending: checkInteger('maxPending', options.maxPending ?? 16, 1, 10_000),
    maxPendingBytes: checkInteger(
      'maxPendingBytes',
      options.maxPendingBytes ?? defaultPendingBytes(),
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    whenFull: checkOneOf('whenFull', options.whenFull ?? 'wait', ['wait', 'reject']),
    maxPixels: checkInteger('maxPixels', options.maxPixels ?? DEFAULT_MAX_PIXELS, 1, Number.MAX_SAFE_INTEGER),
    signal: checkSignal(options.signal),
    onProgress,
  }
}

function checkDevices(device: unknown): number[] {
  if (!Array.isArray(device)) return [checkDevice('device', device)]
  if (device.length === 0 || new Set(device).size < device.length) {
    throw invalidOption('device', device, 'the number of a GPU or a list of different ones')
  }
  return device.map((one) => checkDevice('a number in device', one))
}

function defaultPendingBytes(): number {
  const memory = Math.min(totalmem(), groupLimits().memory)
  return Math.max(1, Math.min(2 ** 29, Math.floor(memory / 8)))
}
