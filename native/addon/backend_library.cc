#include "backend_library.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

namespace {

BackendLibrary Failure(std::string reason) {
  BackendLibrary library;
  library.failure = std::move(reason);
  return library;
}

BackendLibrary Open(const std::string &path) {
  // Local: two families of TensorRT in one process must not see each other's symbols.
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Failure(dlerror());

  auto open = reinterpret_cast<ed_open_backend>(dlsym(handle, ED_OPEN_BACKEND));
  if (open == nullptr) {
    return Failure(path + " is a library, but no backend: it has no function " + ED_OPEN_BACKEND);
  }
  const ed_backend *table = open(ED_BACKEND_ABI_VERSION);
  if (table == nullptr) {
    return Failure(path + " has no table for version " + std::to_string(ED_BACKEND_ABI_VERSION) +
                   " of the backend contract, which this addon speaks");
  }
  if (table->abi_version != ED_BACKEND_ABI_VERSION || table->table_size != sizeof(ed_backend)) {
    return Failure(path + " speaks version " + std::to_string(table->abi_version) + " of the backend contract (" +
                   std::to_string(table->table_size) + " bytes), and this addon version " +
                   std::to_string(ED_BACKEND_ABI_VERSION) + " (" + std::to_string(sizeof(ed_backend)) + " bytes)");
  }
  BackendLibrary library;
  library.table = table;
  return library;
}

}  // namespace

BackendLibrary OpenBackendLibrary(const std::string &path) {
  static std::mutex mutex;
  // Never destroyed, for threads may outlive static destructors at exit.
  static auto *opened = new std::map<std::string, BackendLibrary>;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = opened->find(path);
  if (found != opened->end()) return found->second;
  BackendLibrary library = Open(path);
  // A failure may be mended meanwhile, by an installation say, so only successes are remembered.
  if (library.table != nullptr) opened->emplace(path, library);
  return library;
}
