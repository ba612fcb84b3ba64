#include "devices.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "cuda_error.h"
#include "images.h"
#include "nvml.h"

namespace efficientdet {

namespace {

/** In nvidia-smi's form; empty for a device that has none. */
std::string UuidText(const cudaUUID_t &uuid) {
  if (std::all_of(std::begin(uuid.bytes), std::end(uuid.bytes), [](char byte) { return byte == 0; })) return "";
  std::string text = "GPU";
  for (size_t i = 0; i < sizeof uuid.bytes; i++) {
    char hexadecimal[3];
    std::snprintf(hexadecimal, sizeof hexadecimal, "%02x", static_cast<unsigned char>(uuid.bytes[i]));
    text += (i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "") + std::string(hexadecimal);
  }
  return text;
}

}  // namespace

std::string CudaVersionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int DriverVersion() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

int CountDevices() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  const int driver = DriverVersion();
  const std::string needed = CudaVersionText(CUDART_VERSION);
  if (driver == 0) {
    throw Failure{ED_NO_DRIVER, "There is no NVIDIA driver: libcuda.so.1 was not found. Install one for CUDA " +
                                    needed + " or newer; in a container, give it access to the GPU."};
  }
  if (error == cudaErrorInsufficientDriver) {
    throw Failure{ED_OLD_DRIVER, "The NVIDIA driver is too old: it runs CUDA " + CudaVersionText(driver) +
                                     ", and this backend needs CUDA " + needed + ". Install a newer driver."};
  }
  if (error == cudaSuccess || error == cudaErrorNoDevice) {
    throw Failure{ED_UNAVAILABLE, "There is an NVIDIA driver, for CUDA " + CudaVersionText(driver) +
                                      ", but no GPU that it can use; see whether CUDA_VISIBLE_DEVICES hides it."};
  }
  Fail(ED_UNAVAILABLE, "The NVIDIA driver does not tell its devices", error);
}

ed_device DescribeDevice(int device, bool is_used) {
  ed_device described{};
  cudaDeviceProp properties;
  cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error == cudaSuccess) {
    std::string(properties.name).copy(described.name, sizeof described.name - 1);
    UuidText(properties.uuid).copy(described.uuid, sizeof described.uuid - 1);
    described.major = properties.major;
    described.minor = properties.minor;
    described.memory_bytes = properties.totalGlobalMem;
    described.integrated = properties.integrated;
    if (!is_used) described.free_bytes = FreeMemoryOf(described.uuid).value_or(ED_UNKNOWN_BYTES);
  }
  if (is_used) {
    // The thread's device stays another: choosing the one before again would make a context there.
    size_t free = 0;
    size_t total = 0;
    if (error == cudaSuccess) error = cudaSetDevice(device);
    if (error == cudaSuccess) error = cudaMemGetInfo(&free, &total);
    if (error == cudaSuccess) described.free_bytes = free;
  }
  // An error that is not taken away is found again by the next who asks.
  cudaGetLastError();
  return described;
}

void UseDevice(uint32_t device) {
  const int count = CountDevices();
  if (device >= static_cast<uint32_t>(count)) {
    throw Failure{ED_INVALID, "There is no device " + std::to_string(device) + ": their numbers are 0 to " +
                                  std::to_string(count - 1) + "."};
  }
  // Choosing a lost device may succeed. It has to be known before TensorRT, which would doubt the plan instead.
  size_t free = 0;
  size_t total = 0;
  cudaError_t error = cudaSetDevice(static_cast<int>(device));
  if (error == cudaSuccess) error = cudaMemGetInfo(&free, &total);
  if (error != cudaSuccess) Fail(ED_UNAVAILABLE, "Device " + std::to_string(device) + " cannot be used", error);
}

void CheckKernels(uint32_t device) {
  const cudaError_t error = FindKernels();
  if (error == cudaSuccess) return;
  const ed_device described = DescribeDevice(static_cast<int>(device), true);
  Fail(ED_UNAVAILABLE,
       std::string("This backend has no kernels for device ") + std::to_string(device) + ", " + described.name +
           " of compute capability " + std::to_string(described.major) + "." + std::to_string(described.minor) +
           ". Build it where the device is (npm run build:native in a clone of the repository)",
       error);
}

}  // namespace efficientdet
