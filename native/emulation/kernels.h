/* Runs kernels on the CPU. */
#ifndef EFFICIENTDET_EMULATION_KERNELS_H
#define EFFICIENTDET_EMULATION_KERNELS_H

#include <functional>

#include "cuda_runtime.h"

namespace emulation {

/** Runs all blocks, one after another, on this thread of the host. */
void RunKernel(dim3 grid, dim3 block, const std::function<void()> &body);

}  // namespace emulation

#endif
