#include "ranges.h"

#ifdef EFFICIENTDET_NVTX

#include <nvtx3/nvToolsExt.h>

#include <cstdio>

namespace efficientdet {

namespace {

/** Null without a profiler. */
nvtxDomainHandle_t Domain() {
  static const nvtxDomainHandle_t domain = nvtxDomainCreateA("efficientdet-trt");
  return domain;
}

void Push(const char *name) {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  nvtxDomainRangePushEx(Domain(), &attributes);
}

}  // namespace

Range::Range(const char *name) {
  if (Domain() != nullptr) Push(name);
}

Range::Range(uint32_t context, uint32_t frames) {
  if (Domain() == nullptr) return;
  char name[64];
  std::snprintf(name, sizeof name, "batch of %u, context %u", frames, context);
  Push(name);
}

Range::~Range() {
  if (Domain() != nullptr) nvtxDomainRangePop(Domain());
}

}  // namespace efficientdet

#else

namespace efficientdet {

Range::Range(const char *) {}
Range::Range(uint32_t, uint32_t) {}
Range::~Range() = default;

}  // namespace efficientdet

#endif
