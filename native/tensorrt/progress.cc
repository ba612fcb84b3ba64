#include "progress.h"

#include <algorithm>

namespace efficientdet {

namespace {

/** Share of the rest of a step that the next phase within it gets. */
constexpr double kShare = 0.9;

}  // namespace

void Progress::phaseStart(const char *name, const char *parent, int32_t steps) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = phases_.find(parent == nullptr ? "" : parent);
  const double begin = found == phases_.end() ? fraction_ : found->second.position;
  const double left = (found == phases_.end() ? 1 : found->second.step_end) - begin;
  const double end = begin + kShare * std::max(left, 0.0);
  steps = std::max(steps, 1);
  phases_[name] = {parent == nullptr ? "" : parent, begin, end, steps, begin, begin + (end - begin) / steps};
  Emit(begin, name);
}

bool Progress::stepComplete(const char *name, int32_t step) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = phases_.find(name);
  if (found != phases_.end()) {
    Phase &phase = found->second;
    const auto at = [&](int32_t steps) {
      return phase.begin + (phase.end - phase.begin) * std::min(steps, phase.steps) / phase.steps;
    };
    phase.position = std::max(phase.position, at(step + 1));
    phase.step_end = std::max(phase.step_end, at(step + 2));
    Emit(phase.position, name);
  }
  return !cancelled_;
}

void Progress::phaseFinish(const char *name) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = phases_.find(name);
  if (found == phases_.end()) return;
  const Phase phase = found->second;
  phases_.erase(found);
  const auto parent = phases_.find(phase.parent);
  if (parent != phases_.end()) parent->second.position = std::max(parent->second.position, phase.end);
  Emit(phase.end, name);
}

void Progress::Emit(double position, const char *phase) {
  fraction_ = std::max(fraction_, position);
  emit_(fraction_, phase);
}

}  // namespace efficientdet
