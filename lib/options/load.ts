import { availableParallelism } from 'node:os'
import { BACKEND_NAMES, type BackendName, type LoadStage } from '../backends/backend.js'
import { type EngineChoices, MAX_BATCH } from '../engines/settings.js'
import type { Size } from '../models/levels.js'
import type { WeightsOptions } from '../weights/decide.js'
import {
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
import { checkEngine, type EngineOptions } from './engine.js'
import { checkWeightsOptions, WEIGHTS_OPTION_NAMES } from './weights.js'

/** What a caller can choose about a detector. */
export interface LoadOptions extends WeightsOptions {
  /** `auto`, the default, takes the fastest that can run here. */
  readonly backend?: BackendName | 'auto'
  /** Height and width of the network's input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly size?: SizeOption
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
  /** How TensorRT's engine is built, and by what; for an engine file only `libraryPath` and `selfTest` count. */
  readonly engine?: Omit<EngineOptions, 'device'>
  /** Numbers of the GPUs that share the calls, 0…15, as `efficientdet doctor` lists them. Defaults to the first. */
  readonly devices?: readonly number[]
  /** Batches that each GPU works on at the same time, so that copies and computation overlap; 1…8. Defaults to 2. */
  readonly contexts?: number
  /** Calls that are worked on or wait inside, each with its picture in memory; 1…10000. Defaults to 16. */
  readonly maxPending?: number
  /** What `detect` does when `maxPending` is reached: wait (the default), or reject with ERR_QUEUE_FULL. */
  readonly whenFull?: 'wait' | 'reject'
  /** Pictures of more pixels are refused. Defaults to 268402689, which is 16383². */
  readonly maxPixels?: number
  /** Ends loading. */
  readonly signal?: AbortSignal
  /** Called when a stage of loading begins (fraction 0) and, where that is known, as it goes on (up to 1). */
  readonly onProgress?: (progress: { readonly stage: LoadStage; readonly fraction: number }) => void
}

export interface LoadSettings {
  readonly backend: BackendName | 'auto'
  readonly weights: WeightsOptions
  readonly size: Size | null
  readonly threads: number
  readonly maxBatchSize: number
  readonly maxBatchDelay: number
  readonly inferenceDeadline: number
  readonly backendLibrary: string | null
  readonly engine: EngineChoices
  readonly devices: readonly number[]
  readonly contexts: number
  readonly maxPending: number
  readonly whenFull: 'wait' | 'reject'
  readonly maxPixels: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: NonNullable<LoadOptions['onProgress']>
}

const NAMES = [
  ...WEIGHTS_OPTION_NAMES,
  'backend',
  'size',
  'threads',
  'maxBatchSize',
  'maxBatchDelay',
  'inferenceDeadline',
  'backendLibrary',
  'engine',
  'devices',
  'contexts',
  'maxPending',
  'whenFull',
  'maxPixels',
  'signal',
  'onProgress',
]

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkLoadOptions(options: LoadOptions): LoadSettings {
  checkNames('the load options', options, NAMES)
  const { size, backendLibrary, onProgress = () => {} } = options
  if (typeof onProgress !== 'function') throw invalidOption('onProgress', onProgress, 'a function')
  return {
    backend: checkOneOf('backend', options.backend ?? 'auto', ['auto', ...BACKEND_NAMES]),
    weights: checkWeightsOptions(options),
    size: size === undefined ? null : checkSize('size', size),
    threads: checkInteger('threads', options.threads ?? availableParallelism(), 1, 256),
    maxBatchSize: checkInteger('maxBatchSize', options.maxBatchSize ?? 8, 1, MAX_BATCH),
    maxBatchDelay: checkNumber('maxBatchDelay', options.maxBatchDelay ?? 2, 0, 1000),
    inferenceDeadline: checkInteger('inferenceDeadline', options.inferenceDeadline ?? 60_000, 1, 3_600_000),
    backendLibrary: backendLibrary === undefined ? null : checkPath('backendLibrary', backendLibrary),
    engine: checkEngine(options.engine),
    devices: checkDevices(options.devices ?? [0]),
    contexts: checkInteger('contexts', options.contexts ?? 2, 1, 8),
    maxPending: checkInteger('maxPending', options.maxPending ?? 16, 1, 10_000),
    whenFull: checkOneOf('whenFull', options.whenFull ?? 'wait', ['wait', 'reject']),
    maxPixels: checkInteger('maxPixels', options.maxPixels ?? 16383 ** 2, 1, Number.MAX_SAFE_INTEGER),
    signal: checkSignal(options.signal),
    onProgress,
  }
}

function checkDevices(devices: unknown): number[] {
  if (!Array.isArray(devices) || devices.length === 0 || new Set(devices).size < devices.length) {
    throw invalidOption('devices', devices, 'a list of different numbers of GPUs')
  }
  return devices.map((device) => checkInteger('a number in devices', device, 0, 15))
}
