#include "nvml.h"

#include <dlfcn.h>

namespace efficientdet {

namespace {

// NVML's interface (docs.nvidia.com/deploy/nvml-api), of which every driver has these functions.
constexpr int kSuccess = 0;
struct NvmlMemory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct Nvml {
  int (*init)() = nullptr;
  int (*handle_of)(const char *uuid, void **device) = nullptr;
  int (*memory_of)(void *device, NvmlMemory *memory) = nullptr;

  Nvml() {
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    Find(library, "nvmlInit_v2", init);
    Find(library, "nvmlDeviceGetHandleByUUID", handle_of);
    Find(library, "nvmlDeviceGetMemoryInfo", memory_of);
  }

  template <typename Function>
  static void Find(void *library, const char *name, Function *&function) {
    function = reinterpret_cast<Function *>(dlsym(library, name));
  }
};

}  // namespace

std::optional<uint64_t> FreeMemoryOf(const std::string &uuid) {
  // Neither closed nor shut down again: others in the process may use it.
  static const Nvml nvml;
  if (nvml.init == nullptr || nvml.handle_of == nullptr || nvml.memory_of == nullptr) return std::nullopt;
  void *device = nullptr;
  NvmlMemory memory{};
  if (nvml.init() != kSuccess || nvml.handle_of(uuid.c_str(), &device) != kSuccess ||
      nvml.memory_of(device, &memory) != kSuccess) {
    return std::nullopt;
  }
  return memory.free;
}

}  // namespace efficientdet
