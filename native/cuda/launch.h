/* How kernels are put into a stream, by nvcc's compiler and by the CPU stand-in of native/emulation alike. */
#ifndef EFFICIENTDET_CUDA_LAUNCH_H
#define EFFICIENTDET_CUDA_LAUNCH_H

#include <cuda_runtime.h>

/** Multiprocessors of the current device. */
inline cudaError_t CountMultiprocessors(int *count) {
  int device = 0;
  const cudaError_t error = cudaGetDevice(&device);
  return error == cudaSuccess ? cudaDeviceGetAttribute(count, cudaDevAttrMultiProcessorCount, device) : error;
}

/** Starts a kernel without dynamic shared memory. Errors are those of the start; what goes wrong later is told later.
 */
template <class... Parameters, class... Arguments>
cudaError_t Launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, cudaStream_t stream, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

#endif
