import { freeMemory } from '../../engines/free-memory.js'
import type { EngineRecipe } from '../../engines/header.js'
import {
  checkMemory,
  type DeviceMemory,
  estimateEngineMemory,
  estimateMemory,
  fittingContexts,
  SPARING_LEVEL,
} from '../../engines/memory.js'
import type { NativeDevice } from './addon.js'
import type { NativeLibrary } from './library.js'

/**
 * Compares what a build will need with what is free, on the host and on a GPU.
 *
 * @returns a warning, or null
 * @throws EfficientDetError ERR_OUT_OF_MEMORY
 */
export async function checkBuildMemory(
  { addon, library, probe }: NativeLibrary,
  { spec, inputSize, settings }: EngineRecipe,
  number: number,
): Promise<string | null> {
  // TensorRT-RTX compiles on the CPU, also where a GPU is.
  const device = addon.nameOf(library) === 'tensorrt-rtx' ? undefined : probe.devices[number]
  const isOnDevice = device !== undefined
  const estimate = (optimisationLevel: number) =>
    estimateMemory(spec.architecture, inputSize, { ...settings, optimisationLevel }, isOnDevice)
  const { optimisationLevel } = settings
  const isSparing = optimisationLevel >= 0 && optimisationLevel <= SPARING_LEVEL
  return checkMemory({
    need: estimate(optimisationLevel),
    free: await freeMemory(),
    device: isOnDevice ? memoryOf(device) : null,
    sparing: isSparing ? null : estimate(SPARING_LEVEL),
  })
}

export interface EngineUse {
  /** Number of the GPU. */
  readonly device: number
  readonly planBytes: number
  /** Contexts that are wanted. */
  readonly contexts: number
}

/**
 * Compares what an engine will need with what its GPU has free now: a build may lie behind the first look.
 *
 * @returns how many of the contexts that are wanted fit
 * @throws EfficientDetError ERR_OUT_OF_MEMORY where not even one does
 */
export async function checkEngineMemory(
  { addon, library, libraryPath }: NativeLibrary,
  { spec, inputSize, settings }: EngineRecipe,
  { device, planBytes, contexts }: EngineUse,
): Promise<number> {
  const need = estimateEngineMemory(spec.architecture, inputSize, settings, planBytes)
  const [free, probe] = await Promise.all([freeMemory(), addon.probe(library, libraryPath, 1 << device)])
  const found = probe.devices[device]
  return found === undefined ? contexts : fittingContexts(need, contexts, free, memoryOf(found))
}

function memoryOf({ name, freeBytes, integrated }: NativeDevice): DeviceMemory {
  return { name, free: freeBytes ?? 0, integrated }
}
