#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "family.h"
#include "log.h"

namespace efficientdet {

/** What `ed_build_options` asks of the engine itself, in memory of our own. */
struct BuildRequest {
  std::vector<uint8_t> onnx;
  uint32_t max_batch_size;
  uint32_t device;
  std::vector<uint32_t> targets;
  uint64_t workspace_bytes;
  int32_t optimisation_level;
  bool tf32;
  bool version_compatible;
  bool hardware_compatible;
  std::vector<uint8_t> timing_cache;
  bool wants_timing_cache;
};

struct BuiltEngine {
  std::unique_ptr<nvinfer1::IHostMemory> plan;
  /** Null where the family has none, or none is wanted. */
  std::unique_ptr<nvinfer1::IHostMemory> timing_cache;
};

/** Largest batches of the optimisation profiles of an engine for batches up to `max_batch_size`: 1, 2, 4, 8, 16, 32,
 * that.
 */
std::vector<uint32_t> ProfileBatchSizes(uint32_t max_batch_size);

/**
 * Builds an engine of an ONNX file on this thread, with an optimisation profile tuned for each of these batch sizes
 * and taking those down to the one before.
 *
 * The request's `onnx` is emptied when TensorRT has read it. `monitor` may end the building, but not the reading.
 * `log` listens on this thread.
 *
 * @throws Failure ED_INVALID for options the family lacks and graphs TensorRT refuses, with the node's name;
 *   ED_NO_PARSER; what `UseDevice` throws; ED_OUT_OF_MEMORY; ED_FAILED. Quotes the log.
 */
BuiltEngine BuildEngine(BuildRequest &request, nvinfer1::IProgressMonitor &monitor, const LogListener &log);

}  // namespace efficientdet
