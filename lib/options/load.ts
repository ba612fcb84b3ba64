import { totalmem } from 'node:os'
import { BACKEND_NAMES, type BackendName, type LoadStage } from '../backends/backend.js'
import { availableProcessors } from '../base/available-processors.js'
import { groupLimits } from '../base/control-groups.js'
import { DEFAULT_MAX_PIXELS } from '../base/limits.js'
import type { WeightsOptions } from '../weights/decide.js'
import { checkDevice, invalidOption, type SizeOption } from './checks.js'
import {
  BACKEND_LIBRARY,
  ENGINE,
  INPUT_SIZE,
  LIBRARY_PATH,
  MAX_BATCH_SIZE,
  SIGNAL,
  twoAProcessor,
} from './common.js'
import type { EngineOptions } from './engine.js'
import {
  byDefault,
  callback,
  checkOptions,
  choice,
  integer,
  number,
  type OptionsOf,
  other,
  type Settings,
} from './option.js'
import { checkWeightsOptions, WEIGHTS_OPTIONS } from './weights.js'

/** What a caller can choose about a detector. */
export interface LoadOptions extends WeightsOptions {
  /** `auto`, the default, takes the fastest that can run here. */
  readonly backend?: BackendName | 'auto'
  /** Height and width of the network's input, in pixels, 1…8192. Defaults to the model's native size. */
  readonly inputSize?: SizeOption
  /**
   * Threads of computation on the CPU, 1…256. Defaults to the processors that may be used.
   *
   * One call in flight has them all; many share them, each with a network of its own as far as memory allows.
   */
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
  /** How TensorRT's engine is built; for an engine file only `selfTest` and `allowHostCode` count. */
  readonly engine?: EngineOptions
  /** Number of the GPU, 0…15, as `efficientdet doctor` lists them; a list of several share the calls. Defaults to 0. */
  readonly device?: number | readonly number[]
  /**
   * Batches that each GPU works on at the same time, so that copies and computation overlap; 1…8.
   *
   * Defaults to 2; 1 where the GPU shares the host's memory, as Jetsons do: memory is short there.
   */
  readonly contexts?: number
  /** Calls that are worked on or wait inside, each with its image in memory; 1…10000. Defaults to two a processor, at least 16. */
  readonly maxPending?: number
  /**
   * Bytes of these calls' decoded images: one waits until those before it leave room; a larger one runs alone.
   *
   * Compressed files and working copies come on top, and frames of `allocateFrame`, which may have as many again.
   *
   * Defaults to 512 MiB, or an eighth of what the machine has or the container leaves, where that is less.
   */
  readonly maxPendingBytes?: number
  /** What `detect` does when `maxPending` or `maxPendingBytes` is reached: wait (the default), or reject with ERR_QUEUE_FULL. */
  readonly whenFull?: 'wait' | 'reject'
  /**
   * Images of more pixels are refused, by their header. Defaults to 100000000, which take 300 MB decoded and, in some
   * formats, twice that while they are.
   */
  readonly maxPixels?: number
  /** Ends loading. */
  readonly signal?: AbortSignal
  /** Called when a stage of loading begins (fraction 0) and, where that is known, as it goes on (up to 1). */
  readonly onProgress?: (progress: { readonly stage: LoadStage; readonly fraction: number }) => void
}

export const LOAD_OPTIONS = {
  backend: choice('what runs the network', ['auto', ...BACKEND_NAMES], byDefault('auto')),
  inputSize: INPUT_SIZE,
  threads: integer('threads of computation on the CPU', 1, 256, {
    // Asked for anew: a container's quota may change.
    get value() {
      return availableProcessors()
    },
    shown: 'all',
  }),
  maxBatchSize: MAX_BATCH_SIZE,
  maxBatchDelay: number('milliseconds for which a batch waits for more frames', 0, 1000, byDefault(2)),
  inferenceDeadline: integer(
    'milliseconds after which a GPU backend that does not answer is given up',
    1,
    3_600_000,
    byDefault(60_000),
  ),
  libraryPath: LIBRARY_PATH,
  backendLibrary: BACKEND_LIBRARY,
  engine: ENGINE,
  device: other('numbers of the GPUs that share the calls', checkDevices, byDefault([0], '0')),
  contexts: integer(
    'batches that each GPU works on at the same time',
    1,
    8,
    byDefault(null, "2; 1 where the GPU shares the host's memory"),
  ),
  maxPending: integer('calls that are worked on or wait inside', 1, 10_000, twoAProcessor(16)),
  maxPendingBytes: integer('bytes of the images of these calls', 1, Number.MAX_SAFE_INTEGER, {
    get value() {
      return defaultPendingBytes()
    },
    shown: '512 MiB, or an eighth of the memory',
  }),
  whenFull: choice('what a call does when so many are inside', ['wait', 'reject'], byDefault('wait')),
  maxPixels: integer(
    'pixels of the largest image',
    1,
    Number.MAX_SAFE_INTEGER,
    byDefault(DEFAULT_MAX_PIXELS),
  ),
  signal: SIGNAL,
  onProgress: callback<NonNullable<LoadOptions['onProgress']>>('called with the stages of loading'),
} satisfies OptionsOf<Omit<LoadOptions, keyof WeightsOptions>>

export interface LoadSettings extends Omit<Settings<typeof LOAD_OPTIONS>, 'device'> {
  readonly weights: WeightsOptions
  /** One or more, each once. */
  readonly devices: readonly number[]
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkLoadOptions(options: LoadOptions): LoadSettings {
  const { device, ...settings } = checkOptions('the load options', options, LOAD_OPTIONS, {
    further: Object.keys(WEIGHTS_OPTIONS),
  })
  return { ...settings, devices: device, weights: checkWeightsOptions(options) }
}

function checkDevices(name: string, device: unknown): readonly number[] {
  if (!Array.isArray(device)) return [checkDevice(name, device)]
  if (device.length === 0 || new Set(device).size < device.length) {
    throw invalidOption(name, device, 'the number of a GPU or a list of different ones')
  }
  return device.map((one) => checkDevice(`a number in ${name}`, one))
}

function defaultPendingBytes(): number {
  const memory = Math.min(totalmem(), groupLimits().memory)
  return Math.max(1, Math.min(2 ** 29, Math.floor(memory / 8)))
}
