import { freeMemory } from '../../engines/free-memory.js'
import type { EngineRecipe } from '../../engines/header.js'
import { checkMemory, estimateMemory, SPARING_LEVEL } from '../../engines/memory.js'
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
    device: isOnDevice ? { name: device.name, free: device.freeBytes, integrated: device.integrated } : null,
    sparing: isSparing ? null : estimate(SPARING_LEVEL),
  })
}
