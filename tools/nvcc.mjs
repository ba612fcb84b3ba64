// CUDA's compiler and disassembler: installed ones, or those that `npm run setup:cuda` brings; undefined where there are
// none.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const tool = (name) =>
  [
    `/usr/local/cuda/bin/${name}`,
    fileURLToPath(new URL(`../.cache/cuda/nvidia/cu13/bin/${name}`, import.meta.url)),
    fileURLToPath(new URL(`../.cache/nvdisasm/nvidia/cu13/bin/${name}`, import.meta.url)),
  ].find(existsSync)

export const nvcc = tool('nvcc')
export const nvdisasm = tool('nvdisasm')

/** With what the kernels are compiled (native/tensorrt/CMakeLists.txt). */
export const NVCC_FLAGS = ['-std=c++17', '-O3', '-fmad=false']
