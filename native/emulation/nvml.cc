/* A stand-in for the driver's management library: the emulated devices' memory. */
#include <cstdlib>
#include <cstring>
#include <string>

#include "emulation.h"

extern "C" {

int nvmlInit_v2() { return 0; }

/** Handles are numbers of devices from 1 on. */
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
  // The first byte tells the number (cudaGetDeviceProperties in runtime.cc).
  if (std::strncmp(uuid, "GPU-", 4) != 0) return 6;
  const long number = std::strtol(std::string(uuid + 4, 2).c_str(), nullptr, 16) - 0x8f;
  if (emulation::FreeBytes(static_cast<int>(number)) == 0) return 6;
  *device = reinterpret_cast<void *>(number + 1);
  return 0;
}

int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *total_free_used) {
  total_free_used[1] = emulation::FreeBytes(static_cast<int>(reinterpret_cast<intptr_t>(device)) - 1);
  return 0;
}
}
