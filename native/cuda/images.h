#ifndef EFFICIENTDET_CUDA_IMAGES_H
#define EFFICIENTDET_CUDA_IMAGES_H

#include <cuda_runtime.h>

/**
 * Whether this library has kernels for the thread's device, all of which are compiled for the same ones: else the
 * first launch would tell.
 */
cudaError_t FindKernels();

#endif
