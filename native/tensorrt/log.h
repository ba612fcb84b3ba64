#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "family.h"

namespace efficientdet {

/**
 * The one logger that TensorRT is given: it keeps the first that it gets, for ever, also for objects that were given
 * another.
 */
nvinfer1::ILogger &Log();

/**
 * Collects what TensorRT says while it lives, on the thread that made it and on TensorRT's own, which may work for
 * anybody.
 */
class LogListener {
 public:
  /** `forward` is called by any thread, but not by two at a time; it may be empty. */
  explicit LogListener(std::function<void(ed_severity, const char *)> forward = {});
  ~LogListener();

  LogListener(const LogListener &) = delete;
  LogListener &operator=(const LogListener &) = delete;

  /** Whether anything that was said tells of missing memory. */
  bool OutOfMemory() const;

  /** A failure that quotes the last errors, with ED_OUT_OF_MEMORY if that is what they tell. `what` ends with no dot.
   */
  Failure FailureOf(ed_status status, const std::string &what) const;

 private:
  friend class Logger;

  void OnLog(ed_severity severity, const char *line);

  const std::function<void(ed_severity, const char *)> forward_;
  LogListener *const outer_;
  mutable std::mutex mutex_;
  std::vector<std::string> errors_;
  bool out_of_memory_ = false;
};

}  // namespace efficientdet
