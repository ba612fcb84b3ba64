import { writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { MAX_COMPILED_KERNELS } from '../base/limits.js'
import { checkedBytes, withChecksum } from './checksum.js'

/**
 * Where kernels that TensorRT-RTX compiled for an engine lie: beside its file, for each kind of GPU its own.
 *
 * @param gpu such as `NVIDIA GeForce RTX 4090`
 */
export function compiledKernelsPath(engine: string, gpu: string): string {
  return `${engine.replace(/[.]engine$/i, '')}.${gpu.replace(/[^\w.-]+/g, '_')}.kernels`
}

/** Null where there are none, or not those that were written: compiling them again costs time and no more. */
export async function readCompiledKernels(path: string): Promise<Uint8Array | null> {
  return checkedBytes(path, MAX_COMPILED_KERNELS)
}

/** Keeps kernels, if there are any, where that is possible. */
export async function keepCompiledKernels(path: string, kernels: Uint8Array): Promise<void> {
  if (kernels.length === 0) return
  await writeFileAtomically(path, await withChecksum(kernels), undefined, 'replace').catch(
    (error: unknown) => {
      if (!(error instanceof EfficientDetError)) throw error
    },
  )
}
