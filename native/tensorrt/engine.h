#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture_lock.h"
#include "cuda_objects.h"
#include "efficientdet_backend.h"
#include "network.h"
#include "pipeline.h"
#include "plan.h"

namespace efficientdet {

/** An engine on its device, with a pipeline for each context. Its members are those of the contract. */
class Engine {
 public:
  /**
   * @throws Failure as `Deserialise` and `CheckKernels`, ED_INVALID if the plan is not of the model, and ED_CANCELLED
   */
  Engine(const uint8_t *plan, size_t size, const ed_model &model, const ed_load_options &options);
  ~Engine();

  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  ed_engine_info Info() const;

  /** What TensorRT compiled for the device while this was made; null where there is nothing to keep. */
  std::unique_ptr<nvinfer1::IHostMemory> CompiledKernels() const { return contexts_.CompiledKernels(); }

  /** @throws Failure; ED_DEVICE_LOST from the first time on that the device does not recover. */
  void Infer(uint32_t context, const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results,
             uint32_t count);

 private:
  /** First: held while all others are destroyed. */
  std::optional<DeviceWork> destruction_;
  const uint32_t device_;
  const size_t plan_bytes_;
  Deserialised deserialised_;
  const std::string description_;
  Network network_;
  family::Contexts contexts_;
  DeviceMemory anchors_;
  std::vector<std::unique_ptr<Pipeline>> pipelines_;
  std::atomic<bool> lost_{false};
};

}  // namespace efficientdet
