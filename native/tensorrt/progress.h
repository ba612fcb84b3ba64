#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "family.h"

namespace efficientdet {

/**
 * Makes one number 0…1, which never falls, of TensorRT's phases: these nest, repeat, and may end before their last
 * step.
 *
 * A phase within another's step gets most of what is left of that step, for nobody says whether others will follow.
 */
class Progress final : public nvinfer1::IProgressMonitor {
 public:
  /** `emit` is called by TensorRT's threads, one at a time; the building ends when `cancelled` turns true. */
  Progress(std::function<void(double fraction, const char *phase)> emit, const std::atomic<bool> &cancelled)
      : emit_(std::move(emit)), cancelled_(cancelled) {}

  void phaseStart(const char *name, const char *parent, int32_t steps) noexcept override;
  bool stepComplete(const char *name, int32_t step) noexcept override;
  void phaseFinish(const char *name) noexcept override;

 private:
  struct Phase {
    std::string parent;
    double begin;
    double end;
    int32_t steps;
    /** Where it has come, and where its current step ends. */
    double position;
    double step_end;
  };

  void Emit(double position, const char *phase);

  const std::function<void(double, const char *)> emit_;
  const std::atomic<bool> &cancelled_;
  std::mutex mutex_;
  std::map<std::string, Phase> phases_;
  double fraction_ = 0;
};

}  // namespace efficientdet
