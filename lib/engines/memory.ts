import { EfficientDetError } from '../base/errors.js'
import type { Size } from '../models/levels.js'
import type { Architecture } from '../models/spec.js'
import { footprint } from '../network/footprint.js'
import type { FreeMemory } from './free-memory.js'
import { profileBatchSizesUpTo } from './profile-batch-sizes.js'
import type { EngineSettings } from './settings.js'

/** What a build will take, in bytes. */
export interface BuildMemory {
  readonly host: number
  /** Memory of the GPU; 0 where the library builds without one. */
  readonly device: number
}

/** What a GPU has, in bytes. */
export interface DeviceMemory {
  readonly name: string
  /** 0 where the GPU does not report it; the backend then says what is lacking. */
  readonly free: number
  /** Whether it shares the host's memory, as Jetsons do. */
  readonly integrated: boolean
}

const BYTES_PER_VALUE = { fp32: 4, tf32: 4, fp16: 2, bf16: 2 } as const

/**
 * Memory of TensorRT-RTX 1.7.1's builder: a base, copies of the weights, and each layer's kernels, once and again for
 * every further batch size.
 *
 * They give 0.99 to 1.51 times measured peaks (bench/results/engine-memory-2026-11-25.txt).
 */
const HOST_BASE = 100e6
const HOST_COPIES = 4.2
const HOST_PER_LAYER = 0.32e6
const HOST_PER_LAYER_AND_PROFILE = 0.07e6

/** A CUDA context with TensorRT's kernels, by NVIDIA's documentation of lazy loading; not measured here. */
const DEVICE_BASE = 400e6
/** The weights as they are and as a kernel under trial wants them. */
const DEVICE_COPIES = 2

/** Level at or below which the builder tries few kernels and reckons with no scratch memory beyond the largest layer. */
export const SPARING_LEVEL = 1

/**
 * Estimates what a build takes: on the host a base, copies of the weights and kernels; on the GPU also the largest
 * layer, outputs and a workspace.
 *
 * A workspace without limit counts as much as the largest layer, at the largest batch.
 *
 * @param onDevice whether the library measures on a GPU while it builds, as TensorRT 10 and 11 do and RTX does not
 */
export function estimateMemory(
  architecture: Architecture,
  inputSize: Size,
  { precision, maxBatchSize, workspaceBytes, optimisationLevel }: EngineSettings,
  onDevice: boolean,
): BuildMemory {
  const { weights, largestLayer, outputs, layers } = footprint(architecture, inputSize)
  const width = BYTES_PER_VALUE[precision]
  const more = profileBatchSizesUpTo(maxBatchSize).length - 1
  const kernels = layers * (HOST_PER_LAYER + more * HOST_PER_LAYER_AND_PROFILE)
  const host = HOST_BASE + HOST_COPIES * weights * width + kernels
  if (!onDevice) return { host, device: 0 }
  const layer = maxBatchSize * largestLayer * width
  const isSparing = optimisationLevel >= 0 && optimisationLevel <= SPARING_LEVEL
  const workspace = workspaceBytes > 0 ? workspaceBytes : isSparing ? 0 : layer
  const device =
    DEVICE_BASE + weights * width * DEVICE_COPIES + layer + maxBatchSize * outputs * 4 + workspace
  return { host, device }
}

/**
 * Memory of the CPU backend in the self-test's images: a base, copies of the weights, and layers that are there at
 * the same time.
 *
 * They give 1.05 to 2.64 times measured peaks (bench/results/cpu-memory-2026-11-26.txt).
 */
const CPU_BASE = 250e6
const CPU_COPIES = 5.5
const CPU_LAYERS = 4.5
/** What the heads give: by level, in one piece, and as they are read. More than the layers before with 1,000 classes. */
const CPU_OUTPUTS = 3

/** Estimates what a model takes on the CPU, in bytes. */
export function estimateCpuMemory(architecture: Architecture, inputSize: Size): number {
  const { weights } = footprint(architecture, inputSize)
  return CPU_BASE + BYTES_PER_VALUE.fp32 * CPU_COPIES * weights + activationBytes(architecture, inputSize)
}

/** A thread with JavaScript of its own. */
const CPU_THREAD = 20e6

/** Estimates what further networks of a loaded model take, in bytes: their weights once, the rest each. */
export function estimateFurtherNetworks(
  architecture: Architecture,
  inputSize: Size,
  networks: number,
): number {
  const { weights } = footprint(architecture, inputSize)
  const each = CPU_THREAD + activationBytes(architecture, inputSize)
  return BYTES_PER_VALUE.fp32 * weights + networks * each
}

function activationBytes(architecture: Architecture, inputSize: Size): number {
  const { largestLayer, outputs } = footprint(architecture, inputSize)
  return BYTES_PER_VALUE.fp32 * Math.max(CPU_LAYERS * largestLayer, CPU_OUTPUTS * outputs)
}

/** @throws EfficientDetError ERR_OUT_OF_MEMORY where a model does not fit on the CPU */
export function checkCpuMemory(need: number, { memory, swap }: FreeMemory): void {
  const free = memory + swap
  if (need <= free) return
  throw new EfficientDetError(
    'ERR_OUT_OF_MEMORY',
    `On the CPU it needs about ${megabytes(need)} of memory, and ${megabytes(free)} are free. A smaller input needs less; engine.checkMemory: false tries nevertheless.`,
    { details: { neededBytes: need, freeBytes: free } },
  )
}

/** What the largest layer reads and writes, at the largest batch. */
export function largestLayerBytes(
  architecture: Architecture,
  inputSize: Size,
  { precision, maxBatchSize }: Pick<EngineSettings, 'precision' | 'maxBatchSize'>,
): number {
  return maxBatchSize * footprint(architecture, inputSize).largestLayer * BYTES_PER_VALUE[precision]
}

/** Beyond this part of what is free a build may still succeed, and is warned of. */
const TIGHT = 0.8

export interface MemoryRequest {
  readonly need: BuildMemory
  readonly free: FreeMemory
  /** The GPU that is built on, or null where the library builds without one. */
  readonly device: DeviceMemory | null
  /** What the same build needs at SPARING_LEVEL, or null where that was asked for already. */
  readonly sparing: BuildMemory | null
}

/**
 * Compares what a build needs with what is free. A Jetson's GPU takes its part from the host's memory, where only the
 * host's part may go into swap.
 *
 * @returns a warning where it is tight, null where there is plenty
 * @throws EfficientDetError ERR_OUT_OF_MEMORY that tells both numbers and what would need less
 */
export function checkMemory({ need, free, device, sparing }: MemoryRequest): string | null {
  const total = free.memory + free.swap
  const withSwap = free.swap > 0 ? ` (${megabytes(free.swap)} of it swap)` : ''
  for (const [place, needed, available] of demands(need, free, device)) {
    const text = `This build needs about ${megabytes(needed)} ${place}, and ${megabytes(available)} are free`
    const note = available === total ? withSwap : ''
    if (needed > available) {
      const isLess =
        sparing !== null && demands(sparing, free, device).every(([, less, room]) => less <= room)
      throw new EfficientDetError(
        'ERR_OUT_OF_MEMORY',
        `${text}${note}. ${isLess ? `With optimisation level ${SPARING_LEVEL} it needs ${megabytes(sparing.host + sparing.device)} and fits, for kernels that may be slower. ` : ''}${ADVICE}`,
        { details: { neededBytes: needed, freeBytes: available, sparingFits: isLess } },
      )
    }
    if (needed > TIGHT * available) return `${text}${note}: that is tight.`
  }
  return null
}

/**
 * Memory of an engine's layers in a context, by TensorRT-RTX 1.7.1's builder: a base, and of each image of the largest
 * batch more than its largest layer.
 *
 * They give 1.10 to 1.57 times what the builder tells (bench/results/load-memory-2026-11-27.txt).
 */
const LAYERS_BASE = 30e6
const LAYERS = 1.8

/** Estimates what the layers of a network take in a context, in bytes. */
export function layerMemory(
  architecture: Architecture,
  inputSize: Size,
  settings: Pick<EngineSettings, 'precision' | 'maxBatchSize'>,
): number {
  return LAYERS_BASE + LAYERS * largestLayerBytes(architecture, inputSize, settings)
}

/** What an engine takes on its GPU, in bytes: once, and for each context. */
export interface EngineMemory {
  readonly engine: number
  readonly context: number
}

/** A CUDA context's further kernels, by NVIDIA's documentation of lazy loading; not measured here. */
const LOAD_BASE = 150e6

/**
 * Estimates what an engine will take on its GPU: its plan, which is weights nearly all of it, and for each context
 * layers, input and output in float32.
 */
export function estimateEngineMemory(
  architecture: Architecture,
  inputSize: Size,
  settings: Pick<EngineSettings, 'precision' | 'maxBatchSize'>,
  planBytes: number,
): EngineMemory {
  const values = 3 * inputSize.height * inputSize.width + footprint(architecture, inputSize).outputs
  return {
    engine: LOAD_BASE + planBytes,
    context:
      layerMemory(architecture, inputSize, settings) + settings.maxBatchSize * values * BYTES_PER_VALUE.fp32,
  }
}

/**
 * How many contexts there is room for, of those that are wanted.
 *
 * @param free of the host, from which a GPU that shares it has its memory; it cannot be swapped
 * @throws EfficientDetError ERR_OUT_OF_MEMORY where there is room for none
 */
export function fittingContexts(
  { engine, context }: EngineMemory,
  wanted: number,
  free: FreeMemory,
  device: DeviceMemory,
): number {
  const available = device.integrated ? free.memory : device.free
  if (available === 0) return wanted
  const fitting = Math.floor((available - engine) / context)
  if (fitting >= 1) return Math.min(wanted, fitting)
  const need = engine + context
  throw new EfficientDetError(
    'ERR_OUT_OF_MEMORY',
    `This engine needs about ${megabytes(need)} on ${device.name}, and ${megabytes(available)} are free. An engine for smaller batches, a smaller input or fp16 needs less; or end other programs; engine.checkMemory: false (--no-check-memory) tries nevertheless.`,
    { details: { neededBytes: need, freeBytes: available } },
  )
}

/** What to do about a build that memory does not suffice for. */
export const ADVICE =
  'A smaller maximal batch needs less too; so do fp16 and a limited workspace. Or end other programs, add swap, build on a larger machine; engine.checkMemory: false (--no-check-memory) tries nevertheless.'

type Demand = readonly [place: string, needed: number, available: number]

function demands(need: BuildMemory, free: FreeMemory, device: DeviceMemory | null): readonly Demand[] {
  const total = free.memory + free.swap
  const isUnknown = device?.free === 0 && !device.integrated
  if (device === null || isUnknown) return [['of memory', need.host, total]]
  if (!device.integrated) {
    return [
      ['of memory', need.host, total],
      [`on ${device.name}`, need.device, device.free],
    ]
  }
  return [
    [`on ${device.name}, which cannot be swapped,`, need.device, free.memory],
    [`of memory, which ${device.name} shares,`, need.host + need.device, total],
  ]
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`
}
