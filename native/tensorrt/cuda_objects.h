#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "cuda_error.h"

namespace efficientdet {

/** A thing of CUDA's that is given back with its owner. Null until it is made. */
template <typename Handle, cudaError_t (*Free)(Handle)>
class CudaObject {
 public:
  CudaObject() = default;
  ~CudaObject() { Reset(); }

  CudaObject(CudaObject &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  CudaObject &operator=(CudaObject &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  Handle get() const { return handle_; }
  /** Where functions that make one put it. What was there is freed. */
  Handle *Place() {
    Reset();
    return &handle_;
  }
  void Reset() {
    if (handle_ != nullptr) Free(handle_);
    handle_ = nullptr;
  }

 private:
  Handle handle_ = nullptr;
};

using Stream = CudaObject<cudaStream_t, cudaStreamDestroy>;
using Event = CudaObject<cudaEvent_t, cudaEventDestroy>;
using Graph = CudaObject<cudaGraph_t, cudaGraphDestroy>;
using GraphExecutable = CudaObject<cudaGraphExec_t, cudaGraphExecDestroy>;

/** Memory of the device, or of the host where the device can read and write it by itself. Grows, and then loses what it
    held. */
template <cudaError_t (*Allocate)(void **, size_t), cudaError_t (*Free)(void *)>
class CudaMemory {
 public:
  /** Has room for so many bytes afterwards. Whether it has moved. */
  bool Reserve(size_t size, const char *what) {
    if (size <= size_) return false;
    size_ = 0;
    Check(Allocate(memory_.Place(), size), what);
    size_ = size;
    return true;
  }

  template <typename T = void>
  T *get() const {
    return static_cast<T *>(memory_.get());
  }
  size_t size() const { return size_; }

 private:
  CudaObject<void *, Free> memory_;
  size_t size_ = 0;
};

inline cudaError_t AllocateOnDevice(void **memory, size_t size) { return cudaMalloc(memory, size); }
inline cudaError_t AllocatePinned(void **memory, size_t size) {
  return cudaHostAlloc(memory, size, cudaHostAllocPortable | cudaHostAllocMapped);
}

using DeviceMemory = CudaMemory<AllocateOnDevice, cudaFree>;
using PinnedMemory = CudaMemory<AllocatePinned, cudaFreeHost>;

}  // namespace efficientdet
