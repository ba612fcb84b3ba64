// CUDA's compiler: an installed one, or the one that `npm run setup:cuda` brings; undefined where there is none.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const nvcc = [
  '/usr/local/cuda/bin/nvcc',
  fileURLToPath(new URL('../.cache/cuda/nvidia/cu13/bin/nvcc', import.meta.url)),
].find(existsSync)

/** With what the kernels are compiled (native/tensorrt/CMakeLists.txt). */
export const NVCC_FLAGS = ['-std=c++17', '-O3', '-fmad=false']
