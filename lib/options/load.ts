import { availableParallelism } from 'node:os'
import { BACKEND_NAMES, type BackendName, type LoadStage } from '../backends/backend.js'
import type { Size } from '../models/levels.js'
import type { WeightsOptions } from '../weights/decide.js'
import {
  checkInteger,
  checkNames,
  checkOneOf,
  checkSignal,
  checkSize,
  invalidOption,
  type SizeOption,
} from './checks.js'
import { checkWeightsOptions, WEIGHTS_OPTION_NAMES } from './weights.js'

/** What a caller can choose about a detector. */
export interface LoadOptions extends WeightsOptions {
  /** `auto`, the default, takes the fastest that can run here. */
  readonly backend?: BackendName | 'auto'
  /** Height and width of the network's input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly size?: SizeOption
  /** Threads of computation on the CPU, 1…256. Defaults to what the machine has. */
  readonly threads?: number
  /** Calls that are worked on or wait inside, each with its picture in memory; 1…10000. Defaults to 16. */
  readonly maxPending?: number
  /** What `detect` does when `maxPending` is reached: wait (the default), or reject with ERR_QUEUE_FULL. */
  readonly whenFull?: 'wait' | 'reject'
  /** Pictures of more pixels are refused. Defaults to 268402689, which is 16383². */
  readonly maxPixels?: number
  /** Ends loading. */
  readonly signal?: AbortSignal
  /** Called when a stage of loading begins. */
  readonly onProgress?: (progress: { readonly stage: LoadStage }) => void
}

export interface LoadSettings {
  readonly backend: BackendName | 'auto'
  readonly weights: WeightsOptions
  readonly size: Size | null
  readonly threads: number
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
  'maxPending',
  'whenFull',
  'maxPixels',
  'signal',
  'onProgress',
]

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkLoadOptions(options: LoadOptions): LoadSettings {
  checkNames('the load options', options, NAMES)
  const { size, onProgress = () => {} } = options
  if (typeof onProgress !== 'function') throw invalidOption('onProgress', onProgress, 'a function')
  return {
    backend: checkOneOf('backend', options.backend ?? 'auto', ['auto', ...BACKEND_NAMES]),
    weights: checkWeightsOptions(options),
    size: size === undefined ? null : checkSize('size', size),
    threads: checkInteger('threads', options.threads ?? availableParallelism(), 1, 256),
    maxPending: checkInteger('maxPending', options.maxPending ?? 16, 1, 10_000),
    whenFull: checkOneOf('whenFull', options.whenFull ?? 'wait', ['wait', 'reject']),
    maxPixels: checkInteger('maxPixels', options.maxPixels ?? 16383 ** 2, 1, Number.MAX_SAFE_INTEGER),
    signal: checkSignal(options.signal),
    onProgress,
  }
}
