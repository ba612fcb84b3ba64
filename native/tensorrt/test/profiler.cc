/*
 * A stand-in for a profiler: NVTX brings it into a process that has its path in NVTX_INJECTION64_PATH. It notes ranges,
 * one a line, indented within others.
 */
#include <nvtx3/nvToolsExt.h>

#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

thread_local std::string ranges;
thread_local size_t depth = 0;

nvtxDomainHandle_t CreateDomain(const char *name) {
  static std::string only;
  only = name;
  return reinterpret_cast<nvtxDomainHandle_t>(&only);
}

int Push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t *attributes) {
  ranges += std::string(2 * depth, ' ') + *reinterpret_cast<std::string *>(domain) + ": " + attributes->message.ascii;
  ranges += "\n";
  return static_cast<int>(depth++);
}

int Pop(nvtxDomainHandle_t) { return static_cast<int>(--depth); }

}  // namespace

EXPORT int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get_table) {
  const auto *callbacks = static_cast<const NvtxExportTableCallbacks *>(get_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (callbacks == nullptr || callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size) == 0) return 0;
  *table[NVTX_CBID_CORE2_DomainCreateA] = reinterpret_cast<NvtxFunctionPointer>(CreateDomain);
  *table[NVTX_CBID_CORE2_DomainRangePushEx] = reinterpret_cast<NvtxFunctionPointer>(Push);
  *table[NVTX_CBID_CORE2_DomainRangePop] = reinterpret_cast<NvtxFunctionPointer>(Pop);
  return 1;
}

/** Ranges of this thread since the last call, all of which have ended; for tests. */
EXPORT const char *TakeRanges() {
  static thread_local std::string taken;
  taken = depth == 0 ? std::move(ranges) : "ranges that do not end";
  ranges.clear();
  return taken.c_str();
}
