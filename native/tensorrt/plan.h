#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "family.h"

namespace efficientdet {

/** A plan that was made ready to run, and what must outlive it. */
struct Deserialised {
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
};

/**
 * Makes a plan ready to run on a device, which this thread works on afterwards. One that brings code for the host is
 * refused unless that is allowed.
 * @throws Failure as `UseDevice` and `CheckKernels` without such a device, ED_INVALID for a damaged or foreign plan,
 *   ED_OUT_OF_MEMORY.
 */
Deserialised Deserialise(const uint8_t *plan, size_t size, uint32_t device, bool allow_host_code);

/** What the engine inspector tells of a plan, as JSON. @throws Failure as `Deserialise`, and ED_FAILED. */
std::string Inspect(const uint8_t *plan, size_t size, uint32_t device);

}  // namespace efficientdet
